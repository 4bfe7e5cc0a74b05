/*
 * watching MODE: memory that is written and read in turn.
 *
 *	sizes		writes each of the 32 bytes of area, one at a time,
 *			last to first, calling next() before each
 *	later		threads born after begin() write area
 *	reads		reads, then writes, then reads area[0]
 *	tls		a thread-local variable
 *	wide		writes area[0] to area[15] by one instruction
 *	turns N		calls turn() N times; counted in turns
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile unsigned char area[64] __attribute__((aligned(32)));
volatile int turns, sum;
__thread int own = 41;

__attribute__((noinline)) void next(void)
{
	sum++;
}

__attribute__((noinline)) void begin(void)
{
	sum++;
}

__attribute__((noinline)) void turn(void)
{
	turns++;
}

static void *writer(void *arg)
{
	area[(long)arg] = 1;
	own++;
	begin();
	return NULL;
}

static void later(void)
{
	pthread_t t;

	begin();
	for (long i = 0; i < 4; i++) {
		pthread_create(&t, NULL, writer, (void *)i);
		pthread_join(t, NULL);
	}
}

static void wide(void)
{
	begin();
#ifdef __x86_64__
	asm volatile("movdqa %%xmm0, %0" : "=m"(area));
#endif
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;

	alarm(60);
	if (!strcmp(mode, "sizes")) {
		begin();
		for (int i = 31; i >= 0; i--) {
			next();
			area[i] = (unsigned char)(i + 1);
		}
	} else if (!strcmp(mode, "wide")) {
		wide();
	} else if (!strcmp(mode, "later")) {
		later();
	} else if (!strcmp(mode, "reads")) {
		begin();
		sum += area[0];
		area[0] = 5;
		sum += area[0];
		turn();
	} else if (!strcmp(mode, "tls")) {
		own++;
		begin();
		later();
	} else if (!strcmp(mode, "turns")) {
		while (n--)
			turn();
	}
	return 0;
}
