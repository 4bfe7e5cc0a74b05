/* target.c - debuggee for rsp_bench.py.  One static non-PIE binary, one mode
 * per bench case, a row of the table at the end:  target MODE [N]
 *
 *   pause              sit in pause()
 *   heap MB            malloc MB MiB (first half random, second half zero),
 *                      call marker(), then pause()
 *   loop N             tight_loop(N): 3 instructions per iteration, forever
 *   calls N            call hot(i) N times, call finish(), exit 0
 *   watch N            store to `watched' N times, call finish(), exit 0
 *   threads N          N parked threads, prints "ready", call marker(), then
 *                      main calls hot() every millisecond for ever
 *   spinthreads N      the same, but the N threads run (compute loop)
 *   syscalls N         N getppid() system calls, call finish(), exit 0
 *   signals N          raise SIGUSR1 N times (handler counts), exit 0
 *   forks N            N times fork + _exit in child + waitpid, exit 0
 *   vforks N           the same with vfork
 *   execs N            re-exec itself N times, exit 0
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

volatile uint64_t heap_ptr, heap_len;
volatile uint64_t watched, sink, sigcount;

__attribute__((noinline, noclone)) void marker(void)
{
	__asm__ volatile("nop" ::: "memory");
}
__attribute__((noinline, noclone)) void finish(void)
{
	__asm__ volatile("nop" ::: "memory");
}
__attribute__((noinline, noclone)) void hot(uint64_t i)
{
	__asm__ volatile("nop" ::: "memory");
	sink += i;
}

/* rdi = iterations; tight_loop_begin..tight_loop_end is the range to step. */
void tight_loop(uint64_t n);
__asm__(".globl tight_loop, tight_loop_begin, tight_loop_end\n"
	".type tight_loop,@function\n"
	"tight_loop:\n\t"
	"xor %eax,%eax\n"
	"tight_loop_begin:\n\t"
	"inc %rax\n\t"
	"dec %rdi\n\t"
	"jnz tight_loop_begin\n"
	"tight_loop_end:\n\t"
	"ret\n"
	".size tight_loop,.-tight_loop\n");

static void on_usr1(int s)
{
	(void)s;
	sigcount++;
}

static void *parked(void *p)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	__atomic_add_fetch((int *)p, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&m);
	for (;;)
		pthread_cond_wait(&c, &m);
	return NULL;
}

static void *spinning(void *p)
{
	__atomic_add_fetch((int *)p, 1, __ATOMIC_SEQ_CST);
	for (volatile uint64_t x = 0;; x++)
		;
	return NULL;
}

static void sleep_on(void)
{
	for (;;)
		pause();
}

static int run_pause(long n)
{
	(void)n;
	sleep_on();
	return 0;
}

static int run_heap(long n)
{
	size_t len = (size_t)n << 20, half = len / 2;
	uint64_t *p = malloc(len), s = 88172645463325252ull;

	for (size_t i = 0; i < half / 8; i++) {
		s ^= s << 13, s ^= s >> 7, s ^= s << 17;
		p[i] = s;
	}
	memset((char *)p + half, 0, len - half);
	heap_ptr = (uintptr_t)p, heap_len = len;
	marker();
	sleep_on();
	return 0;
}

static int run_loop(long n)
{
	for (;;)
		tight_loop(n);
	return 0;
}

static int run_calls(long n)
{
	for (long i = 0; i < n; i++)
		hot(i);
	finish();
	return 0;
}

static int run_watch(long n)
{
	marker();
	for (long i = 1; i <= n; i++) {
		watched = i;
		sink += i;
	}
	finish();
	return 0;
}

/* The n threads are there, and main goes on a thousand times a second. */
static int run_among(long n, void *(*thread)(void *))
{
	static int up;
	pthread_attr_t a;
	pthread_t t;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	for (long i = 0; i < n; i++) {
		if (pthread_create(&t, &a, thread, &up)) {
			perror("pthread_create");
			return 1;
		}
	}
	while (__atomic_load_n(&up, __ATOMIC_SEQ_CST) < n)
		usleep(1000);
	if (write(1, "ready\n", 6) != 6)
		return 1;
	marker();
	for (uint64_t i = 0;; i++) {
		struct timespec ts = { 0, 1000000 };

		nanosleep(&ts, NULL);
		hot(i);
	}
}

static int run_threads(long n)
{
	return run_among(n, parked);
}

static int run_spinthreads(long n)
{
	return run_among(n, spinning);
}

static int run_syscalls(long n)
{
	for (long i = 0; i < n; i++)
		syscall(SYS_getppid);
	finish();
	return 0;
}

static int run_signals(long n)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);

	sigaction(SIGUSR1, &sa, NULL);
	for (long i = 0; i < n; i++)
		syscall(SYS_tgkill, pid, tid, SIGUSR1);
	finish();
	return sigcount == (uint64_t)n ? 0 : 3;
}

static void reap(pid_t child)
{
	while (waitpid(child, NULL, 0) < 0)
		;
}

static void fork_once(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	reap(child);
}

static void vfork_once(void)
{
	pid_t child = vfork();

	if (child == 0)
		_exit(0);
	reap(child);
}

static int run_forks(long n)
{
	for (long i = 0; i < n; i++)
		fork_once();
	finish();
	return 0;
}

static int run_vforks(long n)
{
	for (long i = 0; i < n; i++)
		vfork_once();
	finish();
	return 0;
}

static int run_execs(long n)
{
	char left[32];

	if (n > 0) {
		snprintf(left, sizeof(left), "%ld", n - 1);
		execl("/proc/self/exe", "target", "execs", left, (char *)NULL);
		return 4;
	}
	finish();
	return 0;
}

static const struct {
	const char *name;
	int (*run)(long n);
} modes[] = {
	{ "pause", run_pause },
	{ "heap", run_heap },
	{ "loop", run_loop },
	{ "calls", run_calls },
	{ "watch", run_watch },
	{ "threads", run_threads },
	{ "spinthreads", run_spinthreads },
	{ "syscalls", run_syscalls },
	{ "signals", run_signals },
	{ "forks", run_forks },
	{ "vforks", run_vforks },
	{ "execs", run_execs },
};

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "pause";
	long n = argc > 2 ? atol(argv[2]) : 0;

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (!strcmp(mode, modes[i].name))
			return modes[i].run(n);
	}
	fprintf(stderr, "target: unknown mode %s\n", mode);
	return 2;
}
