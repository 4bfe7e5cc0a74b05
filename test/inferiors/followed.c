/*
 * A program that checks itself while it is followed: followed KIND FILE. In
 * FILE it counts rounds and wrong results; a nonzero word `finish` ends it with
 * status 7. KIND is what a round does:
 *
 *	calls	 calls, returns, indirect calls and jumps
 *	syscalls small ones, and some that wait
 *	threads	 calls in four threads
 *	births	 threads that are begun and joined
 *	signals	 calls, while a timer strikes every millisecond
 *	queued	 signals that it sends itself
 *	forks	 children that fork, and that execute another program
 *	maps	 memory that comes and goes
 *	code	 a function that is written anew now and then
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct report {
	volatile uint64_t rounds, wrong, finish, signals;
};

static struct report *report;

#define APART __attribute__((noinline, noclone))

/* --- calls --------------------------------------------------------------- */

typedef uint64_t step_fn(uint64_t v, unsigned depth);

static step_fn step_mul, step_xor, step_deep, step_switch;
static step_fn *const steps[] = { step_mul, step_xor, step_deep, step_switch };

APART static uint64_t step_mul(uint64_t v, unsigned depth)
{
	return v * 6364136223846793005u + depth;
}

APART static uint64_t step_xor(uint64_t v, unsigned depth)
{
	return (v ^ v >> 29) + depth;
}

APART static uint64_t step_deep(uint64_t v, unsigned depth)
{
	return depth ? steps[v >> 7 & 3](v + 1, depth - 1) + depth : v;
}

APART static uint64_t step_switch(uint64_t v, unsigned depth)
{
	switch (v % 7) {
	case 0:
		return step_mul(v, 1);
	case 1:
		return step_xor(v, 2);
	case 2:
		return v + 17;
	case 3:
		return depth ? step_deep(v * 3, depth - 1) : v;
	case 4:
		return ~v;
	case 5:
		return v >> 3 | v << 61;
	default:
		return v - depth;
	}
}

APART static uint64_t calls(void)
{
	uint64_t v = 88172645463325252u;

	for (unsigned i = 0; i < 20000; i++)
		v = steps[v >> 11 & 3](v + i, 6);
	return v;
}

static uint64_t wanted;

static void check_calls(void)
{
	if (calls() != wanted)
		__atomic_fetch_add(&report->wrong, 1, __ATOMIC_RELAXED);
}

/* --- kinds --------------------------------------------------------------- */

static int ends[2];

static void wrong_if(int condition)
{
	if (condition)
		__atomic_fetch_add(&report->wrong, 1, __ATOMIC_RELAXED);
}

static void round_syscalls(void)
{
	char text[16] = "0123456789abcde", back[16] = "";

	for (int i = 0; i < 200; i++) {
		wrong_if(write(ends[1], text, 16) != 16);
		wrong_if(getppid() <= 0);
		wrong_if(read(ends[0], back, 16) != 16);
		wrong_if(memcmp(text, back, 16) != 0);
	}
	poll(NULL, 0, 1);
}

static void *one_thread(void *arg)
{
	check_calls();
	return arg;
}

static void *endless_thread(void *arg)
{
	while (!report->finish)
		check_calls();
	return arg;
}

static void start_threads(void)
{
	pthread_t t;

	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, endless_thread, NULL);
}

static void round_births(void)
{
	pthread_t t[3];
	void *got;

	for (uintptr_t i = 0; i < 3; i++)
		wrong_if(pthread_create(&t[i], NULL, one_thread, (void *)i));
	for (uintptr_t i = 0; i < 3; i++) {
		wrong_if(pthread_join(t[i], &got));
		wrong_if(got != (void *)i);
	}
}

static void on_alarm(int sig)
{
	(void)sig;
	report->signals += step_deep(report->signals, 5) != 0;
}

static void start_signals(void)
{
	struct sigaction sa = { .sa_handler = on_alarm,
				.sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static volatile int queued;

static void on_queued(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	queued = info->si_value.sival_int;
}

static void start_queued(void)
{
	struct sigaction sa = { .sa_sigaction = on_queued,
				.sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &sa, NULL);
}

/* Each is delivered before its call has returned. */
static void round_queued(void)
{
	for (int i = 1; i < 50; i++) {
		wrong_if(sigqueue(getpid(), SIGUSR1, (union sigval){ i }));
		wrong_if(queued != i);
	}
	check_calls();
}

static void round_forks(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(calls() == wanted ? 3 : 4);
	wrong_if(waitpid(pid, &status, 0) != pid);
	wrong_if(status != 3 << 8);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 5", NULL);
		_exit(1);
	}
	wrong_if(waitpid(pid, &status, 0) != pid);
	wrong_if(status != 5 << 8);
}

static void round_maps(void)
{
	for (size_t i = 1; i < 20; i++) {
		size_t size = i << 14;
		char *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		wrong_if(m == MAP_FAILED);
		m[size - 1] = (char)i;
		wrong_if(mprotect(m, size, PROT_READ));
		wrong_if(m[size - 1] != (char)i);
		wrong_if(munmap(m, size));
	}
	poll(NULL, 0, 20);
}

/* Writers of its page wait for the server. */
static void round_code(void)
{
	static unsigned char *code;
	static int value;

	if (!code)
		code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	value++;
	code[0] = 0xb8; /* mov $value, %eax; ret */
	memcpy(code + 1, &value, 4);
	code[5] = 0xc3;
	for (int i = 0; i < 100; i++)
		wrong_if(((int (*)(void))code)() != value);
	poll(NULL, 0, value % 30);
}

static const struct kind {
	const char *name;
	void (*start)(void);
	void (*round)(void);
} kinds[] = {
	{ "calls", NULL, check_calls },
	{ "syscalls", NULL, round_syscalls },
	{ "threads", start_threads, check_calls },
	{ "births", NULL, round_births },
	{ "signals", start_signals, check_calls },
	{ "queued", start_queued, round_queued },
	{ "forks", NULL, round_forks },
	{ "maps", NULL, round_maps },
	{ "code", NULL, round_code },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

int main(int argc, char **argv)
{
	const struct kind *k = kinds;
	int fd = argc > 2 ? open(argv[2], O_RDWR) : -1;

	while (k < kinds + N_KINDS &&
	       (argc < 2 || strcmp(k->name, argv[1]) != 0))
		k++;
	report = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (k == kinds + N_KINDS || report == MAP_FAILED || pipe(ends) < 0)
		return 2;
	wanted = calls();
	if (k->start)
		k->start();
	while (!report->finish) {
		k->round();
		report->rounds++;
	}
	return 7;
}
