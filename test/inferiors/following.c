/*
 * following [THREADS [LAPS]]: threads compute the same checksum again and again
 * by calls of all kinds, with frame pointers, system calls and a timer's
 * signals. What a followed program is interrupted in at random moments.
 *
 * Prints "ready" once all threads have begun; workers[] then has the outermost
 * frame of each. After LAPS, or with none when over is set, it prints the
 * checksum of all, and how often one was wrong.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX 64

struct worker {
	uint64_t seed, sum, wrong;
	unsigned long frame; /* its outermost */
	unsigned long tid;
};

volatile struct worker workers[MAX];
volatile int over, linger; /* linger: turns of the handler */
volatile unsigned long signals_seen;
static unsigned long laps;
static pthread_barrier_t begun;

typedef uint64_t step_fn(uint64_t x, unsigned depth);

static step_fn add, turn, recurse, ask, copy;
static step_fn *const steps[] = { add, turn, recurse, ask, copy };

static uint64_t add(uint64_t x, unsigned depth)
{
	return x + 0x9e3779b97f4a7c15 + depth;
}

static uint64_t turn(uint64_t x, unsigned depth)
{
	switch (x & 7) {
	case 0:
		return x << 7 | x >> 57;
	case 1:
		return x * 0x2545f4914f6cdd1d;
	case 2:
		return x ^ x >> 29;
	case 3:
		return ~x + depth;
	case 4:
		return x / (depth + 3) * 0x100000001b3;
	case 5:
		return x - (x << 13);
	default:
		return x ^ depth;
	}
}

static uint64_t recurse(uint64_t x, unsigned depth)
{
	if (depth >= 6)
		return x;
	x = steps[(x >> 7) % 5](x, depth + 1);
	return steps[(x >> 11) % 3](x, depth + 1) ^ depth;
}

/* Without libc, which has no frame pointers. */
static uint64_t ask(uint64_t x, unsigned depth)
{
	long r;

	if (x & 0x700)
		return add(x, depth);
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_getppid)
			 : "rcx", "r11", "memory");
	return x + (r > 0);
}

static uint64_t copy(uint64_t x, unsigned depth)
{
	unsigned char from[64], to[64];
	void *f = from, *t = to;
	unsigned long n = sizeof(to);

	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(x >> (i & 7) * 8) + (unsigned char)i;
	__asm__ volatile("rep movsb" : "+S"(f), "+D"(t), "+c"(n) : : "memory");
	for (unsigned i = 0; i < sizeof(to); i++)
		x = x * 31 + to[i];
	return x + depth;
}

static void on_alarm(int sig)
{
	(void)sig;
	for (volatile int i = 0; i < linger; i++)
		;
	__atomic_add_fetch(&signals_seen, 1, __ATOMIC_RELAXED);
}

static uint64_t lap(uint64_t x)
{
	for (unsigned i = 0; i < 5000; i++)
		x = steps[x % 5](x, 0);
	return x;
}

static void *work(void *arg)
{
	volatile struct worker *w = arg;

	w->tid = (unsigned long)syscall(SYS_gettid);
	w->frame = (unsigned long)__builtin_frame_address(0);
	pthread_barrier_wait(&begun);
	w->sum = lap(w->seed);
	for (unsigned long i = 1; laps ? i < laps : !over; i++)
		w->wrong += lap(w->seed) != w->sum;
	return NULL;
}

int main(int argc, char **argv)
{
	struct itimerval tick = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction sa = { .sa_handler = on_alarm,
				.sa_flags = SA_RESTART };
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 4;
	pthread_t threads[MAX];
	uint64_t sum = 0, wrong = 0;

	if (!n || n > MAX)
		return 2;
	if (argc > 2)
		laps = strtoul(argv[2], NULL, 10);
	sigaction(SIGALRM, &sa, NULL);
	pthread_barrier_init(&begun, NULL, n + 1);
	for (unsigned i = 0; i < n; i++) {
		workers[i].seed = 12345 + i;
		if (pthread_create(&threads[i], NULL, work,
				   (void *)&workers[i]))
			return 2;
	}
	setitimer(ITIMER_REAL, &tick, NULL);
	pthread_barrier_wait(&begun);
	puts("ready");
	fflush(stdout);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		sum = sum * 31 + workers[i].sum;
		wrong += workers[i].wrong;
	}
	printf("sum %016lx wrong %lu\n", sum, wrong);
	return 0;
}
