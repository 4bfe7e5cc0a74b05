/* For what is asked for at breakpoints beyond conditions: a function with a
 * number and a string, called by threads that have names. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = { "left", "right", "a longer name" };
volatile long total;
static long times = 1000;

__attribute__((noinline)) void visit(long i, const char *name)
{
	__atomic_fetch_add(&total, i + name[0], __ATOMIC_RELAXED);
}

__attribute__((noinline)) void finish(void)
{
	total++;
}

static void *call(void *which)
{
	const char *name = names[(long)which];

	pthread_setname_np(pthread_self(), name);
	for (long i = 0; i < times; i++)
		visit(i, name);
	return NULL;
}

static void in_threads(void)
{
	pthread_t all[3];

	for (long i = 0; i < 3; i++)
		pthread_create(&all[i], NULL, call, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(all[i], NULL);
}

static void in_a_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		call(NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	call(NULL);
}

int main(int argc, char **argv)
{
	if (argc > 2)
		times = atol(argv[2]);
	if (!strcmp(argv[1], "threads"))
		in_threads();
	else if (!strcmp(argv[1], "fork"))
		in_a_child();
	else
		for (long i = 0; i < times; i++)
			visit(i, names[i % 3]);
	finish();
	return 0;
}
