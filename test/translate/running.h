/*
 * For tests of functions that threads are made to run: what is run, by whom, and
 * what is told of it.
 */
#ifndef TEST_TRANSLATE_RUNNING_H
#define TEST_TRANSLATE_RUNNING_H

#include "test/translate/stalker.h"

#include <pthread.h>

#include "translate/run.h"

#define NATIVELY -1

/* --- what is run -----------------------------------------------------------
 */

static struct traced_shared *here; /* in the child: what it shares */
static bool wrong;

#define V_ENDED 14

/* Vector registers and all are used, and a call is made. */
__attribute__((noinline)) static long add_six(long a, long b, long c, long d,
					      long e, long f)
{
	volatile double x = (double)a * 1.5 + 0.25;

	__atomic_fetch_add(&here->v[6], 1, __ATOMIC_RELAXED); /* by two */
	here->v[7] = syscall(SYS_gettid);
	here->v[8] = ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
	return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f +
	       (x < 0);
}

static inline struct run_call call_of(void *fn, unsigned n)
{
	return (struct run_call){
		.function = (uintptr_t)fn,
		.args = { 1, 2, 3, 4, 5, 6 },
		.n_args = n,
	};
}

/* --- who runs it -----------------------------------------------------------
 */

/* A loop whose every register and result counts. */
/* clang-format off */
SNIPPET(spin,
	"push %rbx\n"
	"mov $3, %ebx\n"
	"movq %rbx, %xmm7\n"
	"mov $1, %eax\n"
	"xor %ecx, %ecx\n"
"spin_loop:\n"
	"add %rbx, %rax\n"
	"movq %xmm7, %rdx\n"
	"add %rdx, %rcx\n"
	"mov %rax, -8(%rsp)\n"		/* the red zone */
	"mov -8(%rsp), %rax\n"
	"dec %rsi\n"
	"jne spin_loop\n"
	"add %rcx, %rax\n"
	"pop %rbx\n"
	"ret");
/* clang-format on */

#define SPINS 1000000

static inline void run_spin(struct traced_shared *s)
{
	here = s;
	s->ready = 1;
	traced_wait_for(&s->go);
	do {
		s->v[0] = snippet_call(spin, NULL, SPINS);
		wrong |= s->v[0] != 1 + 6l * SPINS;
	} while (!s->v[V_END]);
	s->v[0] += wrong;
	s->v[V_ENDED] = 1;
}

static inline void assert_spun(const struct stalker *s)
{
	assert_int_equal(s->native[0], 1 + 6l * SPINS);
	assert_int_equal(s->d->shared->v[0], s->native[0]);
}

/* Two of them; the second waits in the kernel. */
static int sleeping[2];

static inline void *sleeper(void *arg)
{
	struct traced_shared *s = arg;
	char c;

	s->v[5] = syscall(SYS_gettid);
	s->v[1] = read(sleeping[0], &c, 1);
	s->v[2] = c;
	return NULL;
}

static inline void run_two(struct traced_shared *s)
{
	pthread_t other;

	here = s;
	if (pipe(sleeping) < 0 || pthread_create(&other, NULL, sleeper, s))
		_exit(1);
	while (!s->v[5])
		usleep(100);
	usleep(20000);
	run_spin(s);
	if (write(sleeping[1], "x", 1) != 1)
		_exit(2);
	pthread_join(other, NULL);
}

/* --- telling ----------------------------------------------------------------
 */

struct told {
	unsigned n;
	int r;
	uint64_t value;
	struct ptid who;
};

static inline void ended(void *user, struct target *t, struct ptid who, int r,
		  uint64_t value)
{
	struct told *told = user;

	(void)t;
	told->n++;
	told->r = r;
	told->value = value;
	told->who = who;
}

static inline void assert_told(const struct told *told, struct ptid who)
{
	assert_int_equal(told->n, 1);
	assert_int_equal(told->r, 0);
	assert_int_equal(told->value, 654321);
	assert_int_equal(told->who.tid, who.tid);
}

static inline struct stalker *start(traced_fn *fn, int mode)
{
	struct stalker *s = stalker_begin(fn, mode);

	s->d->shared->go = 1;
	return s;
}

/* It runs meanwhile. */
static inline void run_for_a_while(struct stalker *s, unsigned us)
{
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (unsigned i = 0; i < us / 100; i++) {
		struct stop st;

		usleep(100);
		assert_int_equal(s->d->t->ops->next_event(s->d->t, &st, false),
				 0);
	}
}

static inline void pump_until(struct stalker *s, const struct told *told)
{
	struct pollfd pfd = { .fd = s->d->t->ops->event_fd(s->d->t),
			      .events = POLLIN };
	struct stop st;

	while (!told->n) {
		assert_int_equal(s->d->t->ops->next_event(s->d->t, &st, true),
				 0);
		poll(&pfd, 1, 100);
	}
}

static inline struct thread *other_thread(struct stalker *s)
{
	struct thread *th = thread_find(s->d->t, (pid_t)s->d->shared->v[5]);

	assert_non_null(th);
	return th;
}

#endif
