/* A function of which the compiler puts a part elsewhere, that goes back. */
#include <stdio.h>

static volatile int kept;

static __attribute__((noipa, cold)) int rare(int a)
{
	kept += a;
	return kept;
}

static __attribute__((noipa)) int often(int a)
{
	kept ^= a;
	return a + 1;
}

static __attribute__((noipa)) int parted(int a, int b)
{
	int sum = often(a);

	if (__builtin_expect(!(a % 16), 0))
		sum += rare(b);
	return often(sum) + b;
}

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 1000; i++)
		sum += parted(i, sum);
	printf("%d\n", sum != 0);
	return 0;
}
