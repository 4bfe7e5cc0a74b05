/* threads [N [forever]]: N threads pass through in_thread(i), meet at a
 * barrier, wait while main is in all_there(), and end; "forever": they stay
 * until `stay' is 0. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX 4000

static pthread_barrier_t here, leave;
static volatile int stay;
volatile long hits;

__attribute__((noinline)) void in_thread(long i)
{
	__atomic_add_fetch(&hits, i, __ATOMIC_SEQ_CST);
}

__attribute__((noinline)) void all_there(void)
{
	hits++;
}

static void *body(void *arg)
{
	in_thread((long)arg);
	pthread_barrier_wait(&here);
	while (stay)
		usleep(1000);
	pthread_barrier_wait(&leave);
	return NULL;
}

int main(int argc, char **argv)
{
	static pthread_t t[MAX];
	long n = argc > 1 ? atol(argv[1]) : 4;
	pthread_attr_t small;

	stay = argc > 2;
	if (n < 0 || n > MAX)
		return 2;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_barrier_init(&here, NULL, (unsigned)n + 1);
	pthread_barrier_init(&leave, NULL, (unsigned)n + 1);
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], &small, body, (void *)(i + 1)))
			return 3;
	pthread_barrier_wait(&here);
	setbuf(stdout, NULL);
	puts("ready");
	all_there();
	pthread_barrier_wait(&leave);
	for (long i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("hits %ld\n", hits);
	return 0;
}
