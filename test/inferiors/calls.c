/* calls [N [STATUS]]: work(i) N times with a chain of frames below it, then
 * done(); exits with STATUS. */
#include <stdio.h>
#include <stdlib.h>

struct pair {
	int a;
	double b;
};

volatile long total;

__attribute__((noinline)) long leaf(long i)
{
	total += i;
	return i * 2;
}

__attribute__((noinline)) long middle(long i)
{
	long r = leaf(i + 1);
	return r + 1;
}

__attribute__((noinline)) long work(long i)
{
	long r = middle(i * 10);
	return r;
}

__attribute__((noinline)) long factorial(long n)
{
	return n < 2 ? 1 : n * factorial(n - 1);
}

__attribute__((noinline)) struct pair make_pair(int a)
{
	struct pair p = { a, a / 2.0 };
	return p;
}

__attribute__((noinline)) double scale(double x, float y)
{
	return x * y;
}

__attribute__((noinline)) void done(void)
{
	total = -total;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 3;

	for (long i = 0; i < n; i++)
		work(i);
	printf("total %ld %ld %g %d\n", total, factorial(5), scale(3, 0.5f),
	       make_pair(4).a);
	done();
	return argc > 2 ? atoi(argv[2]) : 0;
}
