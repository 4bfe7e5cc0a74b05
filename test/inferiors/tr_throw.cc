/* tr_throw: C++ exceptions: through 20 frames, 20,000 times; rethrown, through
 * destructors and callbacks of libc; out of a signal handler; not caught. */
#include "tr.h"
#include <csignal>
#include <exception>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>

static volatile long destroyed;

struct counted {
	long n;
	explicit counted(long n_) : n(n_)
	{
	}
	~counted()
	{
		destroyed += n;
	}
};

__attribute__((noinline)) static long down(int n, int what)
{
	counted here(1);

	if (n > 0)
		return down(n - 1, what) + 1;
	if (what % 3 == 0)
		throw what;
	if (what % 3 == 1)
		throw std::runtime_error("an error");
	throw std::string("a string");
}

static long caught_as(int what)
{
	try {
		return down(20, what);
	} catch (int x) {
		return x;
	} catch (const std::exception &e) {
		return (long)strlen(e.what());
	} catch (const std::string &s) {
		return -(long)s.size();
	}
}

static void thrown(void)
{
	long sum = 0;

	destroyed = 0;
	for (int i = 0; i < 20000; i++)
		sum += caught_as(i);
	EXPECT(destroyed, 20000 * 21);
	say("%ld", sum);
}

__attribute__((noinline)) static void rethrow(int n)
{
	counted here(1);

	try {
		if (n == 0)
			throw 5;
		rethrow(n - 1);
	} catch (int x) {
		if (x > 100)
			throw;
		throw x + 1;
	}
}

static void rethrown(void)
{
	destroyed = 0;
	for (int i = 0; i < 500; i++) {
		try {
			rethrow(30);
			CHECK(!"here");
		} catch (int x) {
			EXPECT(x, 36);
		}
	}
	EXPECT(destroyed, 500 * 31);
}

static int compare(const void *a, const void *b)
{
	counted here(1);

	if (*(const int *)a == 77 || *(const int *)b == 77)
		throw 77;
	return *(const int *)a - *(const int *)b;
}

/* Through frames of libc, which has no handlers but can be unwound. */
static void callbacks(void)
{
	int v[100], caught = 0;

	for (int i = 0; i < 200; i++) {
		for (int k = 0; k < 100; k++)
			v[k] = k * 37 % 100;
		try {
			qsort(v, 100, sizeof(v[0]), compare);
		} catch (int x) {
			caught += x;
		}
	}
	EXPECT(caught, 200 * 77);
}

static void on_signal(int signo)
{
	throw signo;
}

__attribute__((noinline)) static void fault(volatile char *where)
{
	counted here(1);

	*where = 1;
}

__attribute__((noinline)) static void divide(volatile int by)
{
	counted here(1);

	by = 7 / by;
}

/* Out of a handler, through the frame that the kernel made. */
static void out_of_handlers(void)
{
	struct sigaction act = {};
	int segv = 0, fpe = 0;

	act.sa_handler = on_signal;
	act.sa_flags = SA_NODEFER;
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGFPE, &act, NULL);
	destroyed = 0;
	for (int i = 0; i < 500; i++) {
		try {
			if (i & 1)
				fault((volatile char *)8);
			else
				divide(0);
		} catch (int signo) {
			segv += signo == SIGSEGV;
			fpe += signo == SIGFPE;
		}
	}
	EXPECT(segv, 250);
	EXPECT(fpe, 250);
	EXPECT(destroyed, 500);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
}

static void *in_thread(void *arg)
{
	long sum = 0;

	for (int i = 0; i < 2000; i++)
		sum += caught_as(i + (int)(long)arg);
	return (void *)sum;
}

static void threads(void)
{
	pthread_t t[4];
	void *sum;

	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, in_thread, (void *)i);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &sum);
		say("%ld", (long)sum);
	}
}

/* pthread_exit unwinds too. */
static void *leaving(void *arg)
{
	counted here(1);

	(void)arg;
	pthread_exit((void *)9);
}

static void thread_exit(void)
{
	pthread_t t;
	void *value;

	destroyed = 0;
	for (int i = 0; i < 20; i++) {
		pthread_create(&t, NULL, leaving, NULL);
		pthread_join(t, &value);
		EXPECT((long)value, 9);
	}
	EXPECT(destroyed, 20);
}

static void not_caught(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		down(3, 0);
		_exit(2);
	}
	waitpid(pid, &status, 0);
	EXPECT(WTERMSIG(status), SIGABRT);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "thrown", thrown },	      { "rethrown", rethrown },
		{ "callbacks", callbacks },   { "handlers", out_of_handlers },
		{ "threads", threads },	      { "thread_exit", thread_exit },
		{ "not_caught", not_caught },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
