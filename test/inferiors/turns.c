/* turns [THREADS [N]]: each thread calls turn(its number, 0...N - 1), and
 * prints what they return, added up. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX 64

static long turns;

__attribute__((noinline)) long turn(long thread, long n)
{
	return thread * 1000000 + n;
}

static void *body(void *arg)
{
	long thread = (long)arg, sum = 0;

	for (long i = 0; i < turns; i++)
		sum += turn(thread, i);
	return (void *)sum;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 2, sum = 0;
	pthread_t t[MAX];

	turns = argc > 2 ? atol(argv[2]) : 1000;
	if (n < 1 || n > MAX)
		return 2;
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, body, (void *)(i + 1)))
			return 3;
	for (long i = 0; i < n; i++) {
		void *each;

		pthread_join(t[i], &each);
		sum += (long)each;
	}
	printf("sum %ld\n", sum);
	return 0;
}
