/* tlsvar: each of three threads writes its number to variables of its own. */
#include <pthread.h>
#include <stdio.h>

__thread int tls_var = 42;
static __thread long tls_zero;

__attribute__((noinline)) void look(long i)
{
	tls_zero = i * 100;
}

static void *body(void *arg)
{
	tls_var += (int)(long)arg;
	tls_zero = 1;
	look((long)arg);
	return NULL;
}

int main(void)
{
	pthread_t t;

	look(0);
	for (long i = 1; i < 4; i++) {
		pthread_create(&t, NULL, body, (void *)i);
		pthread_join(t, NULL);
	}
	printf("main has %d %ld\n", tls_var, tls_zero);
	return 0;
}
