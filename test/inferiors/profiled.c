/*
 * profiled MODE: calls of all kinds, whose costs are known to who counts.
 *
 *	plain	recursion, mutual recursion, pointers, tail calls, loops
 *	jumps	... longjmp out of calls, a signal's handler, alternate stacks
 *	threads	... in four threads at once
 *	crash	... and a null pointer in the end
 *
 * What is compared with other tools calls nothing of the C library.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR __attribute__((noinline, noclone))

static volatile int sink;

FAR int fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

FAR int is_odd(int n);

FAR int is_even(int n)
{
	if (n == 0)
		return 1;
	sink++;
	return is_odd(n - 1) + sink * 0;
}

FAR int is_odd(int n)
{
	if (n == 0)
		return 0;
	return is_even(n - 1) + sink * 0;
}

FAR int twice(int n)
{
	return 2 * n;
}

FAR int thrice(int n)
{
	int sum = 0;

	for (int i = 0; i < 3; i++)
		sum += n;
	return sum;
}

/* A jump, where the compiler makes tail calls. */
FAR int pass_on(int (*fn)(int), int n)
{
	sink = n;
	return fn(n + 1);
}

/* A label has no code of its own, but gcov counts it: so, in one line. */
// clang-format off
FAR int classify(int n)
{
	switch (n % 5) {
	case 0: return twice(n);
	case 1: return thrice(n);
	case 2: return 7;
	case 3: sink += n; break;
	default: for (int i = 0; i < n; i++) sink ^= i;
	}
	return n;
}
// clang-format on

FAR int plain(void)
{
	int total = fib(12) + is_even(20);

	for (int i = 0; i < 50; i++)
		total += classify(i) + pass_on(i % 2 ? twice : thrice, i);
	return total;
}

/* --- jumps ---------------------------------------------------------------- */

static jmp_buf back;
static volatile sig_atomic_t handled;

/* It jumps out, which the compiler does not see. */
#pragma GCC diagnostic ignored "-Winfinite-recursion"
FAR void dive(int n)
{
	if (n == 0)
		longjmp(back, 1);
	dive(n - 1);
	sink++;
}

FAR int catches(int n)
{
	int result = 0;

	if (!setjmp(back))
		dive(n);
	else
		result = twice(n);
	return result + thrice(1);
}

FAR void in_handler(void)
{
	handled++;
}

static void handler(int signo)
{
	(void)signo;
	in_handler();
}

FAR void after_signal(void)
{
	sink += 3;
}

FAR int jumps(void)
{
	int total = 0;

	signal(SIGUSR1, handler);
	for (int i = 0; i < 5; i++) {
		total += catches(i + 3);
		raise(SIGUSR1);
		after_signal();
	}
	return total + handled;
}

/* --- threads, a crash ----------------------------------------------------- */

static void *in_thread(void *arg)
{
	(void)arg;
	plain();
	return NULL;
}

static void threads(void)
{
	pthread_t all[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&all[i], NULL, in_thread, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(all[i], NULL);
}

FAR int crash(int *at)
{
	for (int i = 0; i < 6; i++)
		sink += i;
	return *at;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "plain";
	int total = plain();

	if (!strcmp(mode, "jumps"))
		total += jumps();
	else if (!strcmp(mode, "threads"))
		threads();
	else if (!strcmp(mode, "crash"))
		total += crash(NULL);
	printf("%d\n", total);
	return 3;
}
