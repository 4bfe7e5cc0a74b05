/* tr_ending: processes that end, by exit_group or by a signal, while others of
 * their threads are busy with code that they have not run before, and SIGTRAP
 * has a handler: whoever follows them is in the middle of something. */
#include "tr_code.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define CHILDREN 16
#define THREADS	 4

static unsigned char *code;

static void on_trap(int signo)
{
	(void)signo;
}

/* New functions, one after the other. */
static void *run_new(void *arg)
{
	unsigned char *at = code + (long)arg * 64 * PAGE;

	for (;;) {
		unsigned char *end = at + 63 * PAGE;

		for (unsigned char *p = at; p < end; p += 16) {
			put_return(p, 5);
			call(p);
		}
	}
	return NULL;
}

static void run_child(int how)
{
	pthread_t thread;

	signal(SIGTRAP, on_trap);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, run_new, (void *)i);
	usleep(3000 + how * 100);
	if (how % 2)
		kill(getpid(), SIGKILL);
	_exit(how);
}

static void ends(void)
{
	int status, bad = 0;

	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (pid == 0)
			run_child(i);
		waitpid(pid, &status, 0);
		bad += i % 2 ? !WIFSIGNALED(status)
			     : !WIFEXITED(status) || WEXITSTATUS(status) != i;
	}
	EXPECT(bad, 0);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "ends", ends },
	};

	code = map_pages(THREADS * 64, RWX);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
