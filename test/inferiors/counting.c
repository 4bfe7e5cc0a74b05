/*
 * counting N: N threads spin, and each counts how often it was taken off the
 * processor by anything but the scheduler's clock: a stop by a debugger, for
 * one. `spins' tells that they run; when `go' is set they add the counts up in
 * `stops' and end.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define MAX 1000

volatile int go, ready;
volatile long spins, stops, watched;

/* Breakpoints are set in pages that the threads do not run in. */
__attribute__((aligned(4096), noinline)) void unused(void)
{
	__asm__ volatile(".fill 4096, 1, 0x90");
}

__attribute__((aligned(4096), noinline)) static long switches(void)
{
	struct rusage ru;

	getrusage(RUSAGE_THREAD, &ru);
	return ru.ru_nvcsw;
}

static void *body(void *arg)
{
	long before = switches();

	(void)arg;
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	while (!go)
		spins++;
	__atomic_add_fetch(&stops, switches() - before, __ATOMIC_SEQ_CST);
	return NULL;
}

__attribute__((noinline)) void all_there(void)
{
	watched++;
}

int main(int argc, char **argv)
{
	static pthread_t t[MAX];
	int n = argc > 1 ? atoi(argv[1]) : 4;

	if (n < 0 || n > MAX)
		return 2;
	for (int i = 0; i < n; i++)
		pthread_create(&t[i], NULL, body, NULL);
	while (ready < n)
		;
	all_there();
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("stops %ld\n", stops);
	return 0;
}
