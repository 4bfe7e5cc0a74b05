/*
 * threadlife MODE: programs whose threads come and go.
 *
 *	leader N	the leader ends; N threads go on for ever; when go is
 *			set, all end and the last one's status is that of the
 *			process, 0
 *	leader-exit	the leader ends; another thread calls exit(23)
 *	leader-storm	the leader ends; another thread makes and joins threads
 *	storm		4 threads make and join short-lived threads for ever
 *	hit N		N threads call hit() for ever
 *	group		threads spin; one calls exit_group(5) when go is set
 *	many N		N short-lived threads, one after another, then exit(7)
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile int go, ready;
volatile unsigned long turns;

__attribute__((noinline)) void hit(void)
{
	__atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED);
}

__attribute__((noinline)) void tick(void)
{
	usleep(1000);
}

static void *go_on(void *arg)
{
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (!go)
		tick();
	return arg;
}

static void *exit_later(void *arg)
{
	ready++;
	while (!go)
		tick();
	usleep(20000);
	exit(23);
	return arg;
}

static void *short_life(void *arg)
{
	hit();
	return arg;
}

static void *storm(void *arg)
{
	pthread_t t[8];

	for (;;) {
		for (int i = 0; i < 8; i++) {
			if (pthread_create(&t[i], NULL, short_life, NULL))
				abort();
		}
		for (int i = 0; i < 8; i++)
			pthread_join(t[i], NULL);
		ready = 1;
	}
	return arg;
}

static void *hit_on(void *arg)
{
	for (;;)
		hit();
	return arg;
}

static void *end_group(void *arg)
{
	while (!go)
		;
	_exit(5);
	return arg;
}

static void start(int n, void *(*f)(void *))
{
	pthread_t t;

	while (n--) {
		if (pthread_create(&t, NULL, f, NULL))
			abort();
	}
}

static void wait_ready(int n)
{
	while (ready < n)
		usleep(500);
	puts("ready");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 3;

	alarm(60);
	if (!strcmp(mode, "leader")) {
		start(n, go_on);
		wait_ready(n);
		pthread_exit(NULL);
	} else if (!strcmp(mode, "leader-exit")) {
		start(1, exit_later);
		wait_ready(1);
		pthread_exit(NULL);
	} else if (!strcmp(mode, "leader-storm")) {
		start(1, storm);
		pthread_exit(NULL);
	} else if (!strcmp(mode, "storm")) {
		start(3, storm);
		wait_ready(1);
		storm(NULL);
	} else if (!strcmp(mode, "hit")) {
		start(n - 1, hit_on);
		hit_on(NULL);
	} else if (!strcmp(mode, "group")) {
		start(n, end_group);
		for (;;)
			hit();
	} else if (!strcmp(mode, "many")) {
		pthread_t t;

		for (int i = 0; i < n; i++) {
			if (pthread_create(&t, NULL, short_life, NULL))
				abort();
			pthread_join(t, NULL);
		}
		return 7;
	}
	return 0;
}
