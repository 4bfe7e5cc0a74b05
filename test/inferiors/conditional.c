/* For breakpoints with conditions: a function that is called many times. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long total;
volatile int ending;
static long times = 1000000;

__attribute__((noinline)) void hot(long i)
{
	__atomic_fetch_add(&total, i, __ATOMIC_RELAXED);
}

__attribute__((noinline)) void finish(void)
{
	ending = 1;
}

static void *call(void *first)
{
	for (long i = 0; i < times; i++)
		hot((long)first + i);
	return NULL;
}

static void in_threads(void)
{
	pthread_t all[3];

	for (long i = 0; i < 3; i++)
		pthread_create(&all[i], NULL, call, (void *)(i * times));
	for (int i = 0; i < 3; i++)
		pthread_join(all[i], NULL);
}

static int in_a_child(void)
{
	int status;
	pid_t pid;

	call(NULL);
	pid = fork();
	if (!pid) {
		call(NULL);
		_exit(total == times * (times - 1) ? 3 : 1);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int status = 0;

	if (argc > 2)
		times = atol(argv[2]);
	if (!strcmp(argv[1], "once"))
		call(NULL);
	else if (!strcmp(argv[1], "threads"))
		in_threads();
	else if (!strcmp(argv[1], "fork"))
		status = in_a_child();
	else
		while (!ending)
			call(NULL);
	finish();
	printf("%ld\n", total);
	return status;
}
