/*
 * Code for a client to translate, drop and write over: a page of it that may be
 * written, whose function is called until stop_here() has been told so often.
 *
 *	cached COUNT [THREADS]		so many threads come and go first
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE 4096

unsigned char *code;
unsigned told[256];

/* Nobody calls it. */
__attribute__((noinline, used)) int never(int a, int b)
{
	return a * b + (a > b ? a : b);
}

__attribute__((noinline)) void stop_here(unsigned v)
{
	told[v & 255]++;
	__asm__ volatile("" ::: "memory");
}

static unsigned call(void)
{
	unsigned (*fn)(void);

	memcpy(&fn, &code, sizeof(fn));
	return fn();
}

static void *body(void *arg)
{
	(void)arg;
	return (void *)(size_t)call();
}

static void come_and_go(int n)
{
	pthread_t all[64];

	for (int i = 0; i < n && i < 64; i++)
		pthread_create(&all[i], NULL, body, NULL);
	for (int i = 0; i < n && i < 64; i++)
		pthread_join(all[i], NULL);
}

int main(int argc, char **argv)
{
	static const unsigned char one[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
	int count = argc > 1 ? atoi(argv[1]) : 1;

	code = mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(code, one, sizeof(one));
	come_and_go(argc > 2 ? atoi(argv[2]) : 0);
	for (int i = 0; i < count; i++)
		stop_here(call());
	for (int v = 0; v < 256; v++) {
		if (told[v])
			printf("%d: %u\n", v, told[v]);
	}
	return 0;
}
