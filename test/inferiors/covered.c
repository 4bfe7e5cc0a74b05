/*
 * covered MODE: code whose execution is counted from outside.
 *
 *	plain	loops, calls of all kinds, rep, a switch, a recursion, output
 *	unload	runs code of libm, unloads that, and kills itself
 *	fork	a child executes in_child(), its parent in_parent()
 *	long	... plain for half a second of a processor, in two threads
 *	pair	two threads at once do the work of plain
 *	exec	executes in_parent(), then itself again, with plain
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

volatile int sink;

__attribute__((noinline)) void in_child(void)
{
	sink += 1;
}

__attribute__((noinline)) void in_parent(void)
{
	sink += 2;
}

__attribute__((noinline)) int never(int x)
{
	return sink * x;
}

__attribute__((noinline)) int fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

__attribute__((noinline)) int chosen(int n)
{
	switch (n % 7) {
	case 0:
		return 5;
	case 1:
		return n * 3;
	case 2:
		return n / 5;
	case 3:
		return fib(4);
	case 4:
		return n - 9;
	case 5:
		return n ^ 77;
	default:
		return sink;
	}
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* loop, to itself too, and rep with counts that differ, 0 among them. */
static void repeats(void)
{
	static char from[200], to[200];
	unsigned long n;

	for (unsigned long i = 0; i < 20; i++) {
		void *d = to, *s = from;

		n = i * 7;
		__asm__ volatile("rep movsb"
				 : "+c"(n), "+D"(d), "+S"(s)::"memory");
		n = i + 1;
		__asm__ volatile("1: loop 1b" : "+c"(n));
	}
}

static int work(void)
{
	int (*const calls[])(int) = { fib, chosen };
	int numbers[50], sum = 0;

	for (int i = 0; i < 50; i++)
		numbers[i] = i * 7919 % 101;
	qsort(numbers, 50, sizeof(numbers[0]), compare);
	for (int i = 0; i < 70; i++)
		sum += calls[i & 1](i % 12) + numbers[i % 50];
	repeats();
	return sum;
}

static int plain(void)
{
	printf("%d\n", work());
	return 3;
}

/* Right as long as every round computes the same. */
static void *rounds(void *want)
{
	while (clock() < CLOCKS_PER_SEC / 2) {
		if (work() != *(int *)want)
			abort();
	}
	return NULL;
}

static void *once(void *sum)
{
	*(int *)sum = work();
	return NULL;
}

static int pair(void)
{
	pthread_t threads[2];
	int sums[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, once, &sums[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return sums[0] != sums[1];
}

static int at_length(void)
{
	int want = work();
	pthread_t other;

	if (pthread_create(&other, NULL, rounds, &want))
		return 1;
	rounds(&want);
	pthread_join(other, NULL);
	return plain();
}

static int unload(void)
{
	void *lib = dlopen("libm.so.6", RTLD_NOW);
	double (*fn)(double) = NULL;

	if (lib)
		*(void **)&fn = dlsym(lib, "lgamma");
	if (!fn || fn(10.5) < 1 || dlclose(lib))
		return 1;
	return kill(getpid(), SIGKILL);
}

static int forked(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		in_child();
		_exit(0);
	}
	in_parent();
	waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "plain"))
		return plain();
	if (!strcmp(mode, "long"))
		return at_length();
	if (!strcmp(mode, "pair"))
		return pair();
	if (!strcmp(mode, "unload"))
		return unload();
	if (!strcmp(mode, "fork"))
		return forked();
	if (strcmp(mode, "exec"))
		return never(argc);
	in_parent();
	execl(argv[0], argv[0], "plain", (char *)NULL);
	return 1;
}
