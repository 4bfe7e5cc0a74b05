/* tr_thread: threads that come and go in storms, compute, share, signal each
 * other, are cancelled, and end while others run. */
#include "tr.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MIX(x) ((x)*6364136223846793005ul + 1442695040888963407ul)

static __thread unsigned long own = 7;
static __thread char own_big[4096];

__attribute__((noinline)) static unsigned long step(unsigned long x)
{
	own += x & 3;
	return MIX(x) ^ x >> 13;
}

static void *compute(void *arg)
{
	unsigned long x = (unsigned long)arg;

	for (int i = 0; i < 20000; i++)
		x = step(x);
	own_big[x % 4096]++;
	return (void *)(x + own);
}

/* Many short threads, eight at a time. */
static void storm(void)
{
	unsigned long sum = 0;
	pthread_t t[8];
	void *result;

	for (int round = 0; round < 60; round++) {
		for (unsigned long i = 0; i < 8; i++)
			EXPECT(pthread_create(&t[i], NULL, compute, (void *)i),
			       0);
		for (int i = 0; i < 8; i++) {
			pthread_join(t[i], &result);
			sum = sum * 31 + (unsigned long)result;
		}
	}
	say("%#lx", sum);
}

static void *compute_long(void *arg)
{
	unsigned long x = (unsigned long)arg;

	for (int i = 0; i < 3000000; i++)
		x = step(x);
	return (void *)(x + own);
}

static void busy(void)
{
	unsigned long sum = 0;
	pthread_t t[4];
	void *result;

	for (unsigned long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, compute_long, (void *)i);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &result);
		sum = sum * 31 + (unsigned long)result;
	}
	say("%#lx", sum);
}

/* --- shared things --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter, turn;

static void *share(void *arg)
{
	long me = (long)arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		__atomic_fetch_add(&counter, 0, __ATOMIC_SEQ_CST);
	}
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&lock);
		while (turn % 4 != me)
			pthread_cond_wait(&changed, &lock);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void shared(void)
{
	pthread_t t[4];

	counter = turn = 0;
	pthread_barrier_init(&barrier, NULL, 4);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, share, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	EXPECT(counter, 20000);
	EXPECT(turn, 1200);
	pthread_barrier_destroy(&barrier);
}

/* --- signals between threads --- */

static volatile int caught, done;
static __thread volatile int caught_here;

static void on_usr1(int signo)
{
	(void)signo;
	caught_here++;
	__atomic_fetch_add(&caught, 1, __ATOMIC_SEQ_CST);
}

static void *until_done(void *arg)
{
	unsigned long x = 1;

	(void)arg;
	while (!done)
		x = step(x);
	return (void *)(long)caught_here;
}

static void signalled(void)
{
	pthread_t t[3];
	void *result;
	long sum = 0;

	signal(SIGUSR1, on_usr1);
	caught = done = 0;
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, until_done, NULL);
	for (int i = 0; i < 90; i++) {
		EXPECT(pthread_kill(t[i % 3], SIGUSR1), 0);
		while (caught <= i)
			usleep(100);
	}
	done = 1;
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &result);
		sum += (long)result;
	}
	EXPECT(sum, 90);
	signal(SIGUSR1, SIG_DFL);
}

/* --- ends --- */

static int cleaned;

static void clean_up(void *arg)
{
	__atomic_fetch_add(&cleaned, (int)(long)arg, __ATOMIC_SEQ_CST);
}

static void *cancelled(void *arg)
{
	int old;

	pthread_cleanup_push(clean_up, (void *)1);
	pthread_setcanceltype(arg ? PTHREAD_CANCEL_ASYNCHRONOUS
				  : PTHREAD_CANCEL_DEFERRED,
			      &old);
	for (;;) {
		if (!arg)
			usleep(1000);
		step(1);
	}
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancellation(void)
{
	pthread_t t;
	void *result;

	cleaned = 0;
	for (long i = 0; i < 40; i++) {
		pthread_create(&t, NULL, cancelled, (void *)(i & 1));
		if (i & 2)
			usleep(500);
		pthread_cancel(t);
		pthread_join(t, &result);
		CHECK(result == PTHREAD_CANCELED);
	}
	say("%d had begun", cleaned <= 40);
}

static sem_t ended;

static void *ends_soon(void *arg)
{
	compute(arg);
	sem_post(&ended);
	return NULL;
}

/* Detached threads end while others run. */
static void detached(void)
{
	pthread_attr_t attr;
	pthread_t t, other;

	done = 0;
	sem_init(&ended, 0, 0);
	pthread_create(&other, NULL, until_done, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (long i = 0; i < 100; i++)
		pthread_create(&t, &attr, ends_soon, (void *)i);
	for (int i = 0; i < 100; i++)
		while (sem_wait(&ended) == -1 && errno == EINTR)
			;
	done = 1;
	pthread_join(other, NULL);
}

static void *exits(void *arg)
{
	usleep(2000);
	if (arg)
		exit(11);
	syscall(SYS_exit_group, 12);
	return NULL;
}

static void *outlives(void *arg)
{
	(void)arg;
	usleep(5000);
	_exit(13);
}

/* How processes end that have threads: in children. */
static int end_of(int how)
{
	pthread_t t;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		done = 0;
		pthread_create(&t, NULL, until_done, NULL);
		pthread_create(&t, NULL, how == 2 ? outlives : exits,
			       (void *)(long)(how == 0));
		if (how == 2)
			pthread_exit(NULL);
		until_done(NULL);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void ends(void)
{
	for (int i = 0; i < 5; i++) {
		EXPECT(end_of(0), 11);
		EXPECT(end_of(1), 12);
		EXPECT(end_of(2), 13);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "storm", storm },
		{ "busy", busy },
		{ "shared", shared },
		{ "signalled", signalled },
		{ "cancellation", cancellation },
		{ "detached", detached },
		{ "ends", ends },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
