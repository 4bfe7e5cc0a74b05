/* waitbench.c - what one ptrace stop costs, by placement and by how the tracer
 * waits.  Single-steps a spinning child N times:
 *   waitbench N
 * Modes: free (scheduler decides), same (tracer and tracee on core 0), split
 * (tracer 0, tracee 1); waiting by blocking wait4, by wait4(WNOHANG) in a loop,
 * or by looping for a while and then blocking.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void pin(pid_t p, int core)
{
	cpu_set_t s;
	CPU_ZERO(&s);
	if (core < 0)
		for (int i = 0; i < 64; i++)
			CPU_SET(i, &s);
	else
		CPU_SET(core, &s);
	sched_setaffinity(p, sizeof s, &s);
}

static void wait_stop(pid_t c, int how)
{
	int st;
	if (how) {
		double end = how == 2 ? now() + 50e-6 : 0;
		do {
			if (waitpid(c, &st, WNOHANG | __WALL) == c)
				return;
		} while (how == 1 || now() < end);
	}
	if (waitpid(c, &st, __WALL) != c)
		exit(1);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 20000;
	static const char *pl[] = { "free", "same", "split" },
			  *wt[] = { "block", "spin", "spin50us" };
	for (int p = 0; p < 3; p++)
		for (int w = 0; w < 3; w++) {
			pid_t c = fork();
			int st;
			if (!c) {
				ptrace(PTRACE_TRACEME, 0, 0, 0);
				raise(SIGSTOP);
				for (volatile long i = 0;; i++)
					;
			}
			waitpid(c, &st, 0);
			pin(0, p == 0 ? -1 : 0);
			pin(c, p == 0 ? -1 : p == 1 ? 0 : 1);
			for (int i = 0; i < 200; i++)
				ptrace(PTRACE_SINGLESTEP, c, 0, 0),
					wait_stop(c, w);
			double t = now();
			for (long i = 0; i < n; i++)
				ptrace(PTRACE_SINGLESTEP, c, 0, 0),
					wait_stop(c, w);
			t = now() - t;
			printf("{\"case\": \"ptrace-step\", \"place\": \"%s\", "
			       "\"wait\": \"%s\", \"us\": %.2f}\n",
			       pl[p], wt[w], t / n * 1e6);
			kill(c, SIGKILL);
			waitpid(c, &st, 0);
		}
	return 0;
}
