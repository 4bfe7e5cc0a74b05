/* Stalker's group RunOnThread, and what it leaves out; each natively (traced,
 * and not followed) and followed. */
#include "test/translate/stalker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "target/syscalls.h"
#include "translate/probe.h"
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

	here->v[6] += 1;
	here->v[7] = syscall(SYS_gettid);
	here->v[8] = ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
	return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f +
	       (x < 0);
}

static long never_ends(void)
{
	while (here)
		here->v[6]++;
	return 0;
}

static long raises(void)
{
	raise(SIGUSR1);
	return 77;
}

static long ends_thread(void)
{
	syscall(SYS_exit, 0);
	return 0;
}

static struct run_call call_of(void *fn, unsigned n)
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

static void run_spin(struct traced_shared *s)
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

static void assert_spun(const struct stalker *s)
{
	assert_int_equal(s->native[0], 1 + 6l * SPINS);
	assert_int_equal(s->d->shared->v[0], s->native[0]);
}

/* Two of them; the second waits in the kernel. */
static int sleeping[2];

static void *sleeper(void *arg)
{
	struct traced_shared *s = arg;
	char c;

	s->v[5] = syscall(SYS_gettid);
	s->v[1] = read(sleeping[0], &c, 1);
	s->v[2] = c;
	return NULL;
}

static void run_two(struct traced_shared *s)
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

static void ended(void *user, struct target *t, struct ptid who, int r,
		  uint64_t value)
{
	struct told *told = user;

	(void)t;
	told->n++;
	told->r = r;
	told->value = value;
	told->who = who;
}

static void assert_told(const struct told *told, struct ptid who)
{
	assert_int_equal(told->n, 1);
	assert_int_equal(told->r, 0);
	assert_int_equal(told->value, 654321);
	assert_int_equal(told->who.tid, who.tid);
}

static struct stalker *start(traced_fn *fn, int mode)
{
	struct stalker *s = stalker_begin(fn, mode);

	s->d->shared->go = 1;
	return s;
}

/* It runs meanwhile. */
static void run_for_a_while(struct stalker *s, unsigned us)
{
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (unsigned i = 0; i < us / 100; i++) {
		struct stop st;

		usleep(100);
		assert_int_equal(s->d->t->ops->next_event(s->d->t, &st, false),
				 0);
	}
}

static void pump_until(struct stalker *s, const struct told *told)
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

static struct thread *other_thread(struct stalker *s)
{
	struct thread *th = thread_find(s->d->t, (pid_t)s->d->shared->v[5]);

	assert_non_null(th);
	return th;
}

/* --- the four ----------------------------------------------------------------
 */

/* From the thread itself, which has come to a probe. */
struct current {
	struct told told;
	int r, calls;
	bool sync;
};

static void at_probe(void *user, struct target *t, const struct probe_hit *h)
{
	struct current *c = user;
	struct run_call call = call_of(add_six, 6);

	c->calls++;
	if (c->sync)
		c->r = translate_run_sync(t, h->th, &call, 20000,
					  &c->told.value);
	else
		c->r = translate_run(t, h->th, &call, ended, &c->told);
	if (c->sync)
		assert_int_equal(here->v[6], 1);
}

static void on_current(bool sync)
{
	struct stalker *s = stalker_begin(run_spin, MODE_NONE);
	struct current c = { .sync = sync };

	here = s->d->shared;
	translate_probe_add(s->d->t, s->p, (uintptr_t)spin, at_probe, &c);
	stalker_ends(s);
	assert_spun(s);
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.r, 0);
	assert_int_equal(c.told.value, 654321);
	assert_int_equal(s->d->shared->v[7], s->d->pid);
	assert_int_equal(s->d->shared->v[8], 1);
	stalker_followed(s);
	stalker_free(s);
}

static void run_on_thread_current(void **state)
{
	(void)state;
	on_current(false);
}

static void run_on_thread_current_sync(void **state)
{
	(void)state;
	on_current(true);
}

static void on_other(int mode)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_two, mode);
	struct told first = { 0 }, other = { 0 };
	struct thread *th;

	run_for_a_while(s, 3000);
	th = traced_thread(s->d);
	assert_int_equal(translate_run(s->d->t, th, &call, ended, &first), 0);
	th = other_thread(s);
	assert_int_equal(translate_run(s->d->t, th, &call, ended, &other), 0);
	pump_until(s, &first);
	pump_until(s, &other);
	assert_told(&first, traced_thread(s->d)->id);
	assert_told(&other, other_thread(s)->id);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->d->shared->v[6], 2);
	assert_int_equal(s->d->shared->v[8], 1);
	/* The call that it waited in was made again. */
	assert_int_equal(s->d->shared->v[1], 1);
	assert_int_equal(s->d->shared->v[2], 'x');
	stalker_free(s);
}

static void run_on_thread_other(void **state)
{
	(void)state;
	on_other(NATIVELY);
	on_other(MODE_NONE);
	on_other(MODE_COUNT);
}

static void on_other_sync(int mode)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_two, mode);
	uint64_t value = 0;

	/* Stopped, and still so afterwards. */
	assert_int_equal(translate_run_sync(s->d->t, other_thread(s), &call,
					    20000, &value),
			 0);
	assert_int_equal(value, 654321);
	assert_int_equal(s->d->shared->v[7], s->d->shared->v[5]);
	assert_false(other_thread(s)->running);
	assert_false(traced_thread(s->d)->running);
	value = 0;
	run_for_a_while(s, 3000);
	/* And while they run. */
	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    20000, &value),
			 0);
	assert_int_equal(value, 654321);
	assert_int_equal(s->d->shared->v[7], s->d->pid);
	assert_true(traced_thread(s->d)->running);
	assert_int_equal(translate_run_sync(s->d->t, other_thread(s), &call,
					    20000, &value),
			 0);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->d->shared->v[6], 3);
	assert_int_equal(s->d->shared->v[1], 1);
	stalker_free(s);
}

static void run_on_thread_other_sync(void **state)
{
	(void)state;
	on_other_sync(NATIVELY);
	on_other_sync(MODE_NONE);
	on_other_sync(MODE_TRACE);
}

/* --- what comes in between
 * ---------------------------------------------------- */

static volatile sig_atomic_t signals;

static void handler(int signo)
{
	(void)signo;
	signals++;
}

static void run_handling(struct traced_shared *s)
{
	signal(SIGUSR1, handler);
	run_spin(s);
	s->v[3] = signals;
}

static void raise_meanwhile(int mode)
{
	struct run_call call = call_of(raises, 0);
	struct stalker *s = start(run_handling, mode);
	uint64_t value;

	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    20000, &value),
			 0);
	assert_int_equal(value, 77);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->native[3], 0);
	assert_int_equal(s->d->shared->v[3], 1);
	stalker_free(s);
}

static void signal_meanwhile(void **state)
{
	(void)state;
	raise_meanwhile(NATIVELY);
	raise_meanwhile(MODE_NONE);
}

static void stop_meanwhile(int mode, bool told)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_spin, mode);
	struct told t = { 0 };
	uint64_t value;
	struct stop st;

	target_point_set(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1, NULL);
	if (told) {
		assert_int_equal(translate_run(s->d->t, traced_thread(s->d),
					       &call, ended, &t),
				 0);
		st = traced_run(s->d, 0);
	} else {
		assert_int_equal(translate_run_sync(s->d->t,
						    traced_thread(s->d), &call,
						    20000, &value),
				 -EINTR);
		st = traced_event(s->d);
	}
	assert_int_equal(st.kind, STOP_SWBREAK);
	assert_int_equal(stalker_reg(s->d->t, traced_thread(s->d), "rip"),
			 (uintptr_t)add_six);
	assert_int_equal(stalker_reg(s->d->t, traced_thread(s->d), "rdi"), 1);
	assert_int_equal(
		translate_run(s->d->t, traced_thread(s->d), &call, NULL, NULL),
		-EBUSY);
	target_point_clear(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1);
	stalker_ends(s);
	assert_spun(s);
	assert_int_equal(t.n, told);
	assert_int_equal(s->d->shared->v[6], 1);
	stalker_free(s);
}

static void breakpoint_meanwhile(void **state)
{
	(void)state;
	stop_meanwhile(NATIVELY, true);
	stop_meanwhile(MODE_NONE, true);
	stop_meanwhile(NATIVELY, false);
	stop_meanwhile(MODE_NONE, false);
}

/* --- functions that do not return
 * ---------------------------------------------- */

static void time_is_up(int mode)
{
	struct run_call call = call_of(never_ends, 0);
	struct stalker *s = start(run_spin, mode);
	uint64_t value;

	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    30, &value),
			 -ETIMEDOUT);
	assert_false(traced_thread(s->d)->running);
	run_for_a_while(s, 1000);
	assert_int_equal(translate_run_sync(s->d->t, traced_thread(s->d), &call,
					    30, &value),
			 -ETIMEDOUT);
	stalker_exits(s);
	assert_spun(s);
	assert_true(s->d->shared->v[6] > 0);
	stalker_free(s);
}

static void function_never_ends(void **state)
{
	(void)state;
	time_is_up(NATIVELY);
	time_is_up(MODE_NONE);
}

static void thread_ends(int mode)
{
	struct run_call call = call_of(ends_thread, 0);
	struct stalker *s = start(run_two, mode);
	uint64_t value;

	assert_int_equal(translate_run_sync(s->d->t, other_thread(s), &call,
					    20000, &value),
			 -ESRCH);
	stalker_free(s);
}

static void thread_ends_in_function(void **state)
{
	(void)state;
	thread_ends(NATIVELY);
	thread_ends(MODE_NONE);
}

/* --- following ends meanwhile
 * ---------------------------------------------------- */

static void followed_no_more(void **state)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_spin, MODE_NONE);
	struct told t = { 0 };

	(void)state;
	target_point_set(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1, NULL);
	translate_run(s->d->t, traced_thread(s->d), &call, ended, &t);
	assert_int_equal(traced_run(s->d, 0).kind, STOP_SWBREAK);
	target_point_clear(s->d->t, s->p, POINT_SW, (uintptr_t)add_six, 1);
	translate_unfollow(s->d->t, s->p);
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	pump_until(s, &t);
	assert_told(&t, traced_thread(s->d)->id);
	stalker_exits(s);
	assert_spun(s);
	stalker_free(s);
}

static void let_go(int mode)
{
	struct run_call call = call_of(never_ends, 0);
	struct stalker *s = start(run_spin, mode);
	struct told t = { 0 };

	translate_run(s->d->t, traced_thread(s->d), &call, ended, &t);
	run_for_a_while(s, 2000);
	s->d->t->ops->detach(s->d->t, s->p, 0);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.r, -ECANCELED);
	s->d->shared->v[V_END] = 1;
	/* The target may have waited for its end. */
	for (int i = 0; i < 2000 && !s->d->shared->v[V_ENDED]; i++)
		usleep(10000);
	assert_int_equal(s->d->shared->v[V_ENDED], 1);
	assert_spun(s);
	stalker_free(s);
}

static void process_is_let_go(void **state)
{
	(void)state;
	let_go(NATIVELY);
	let_go(MODE_NONE);
}

/* Again and again, at places of chance. */
static void many_times(void **state)
{
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_two, MODE_NONE);
	uint64_t value;
	long n = 0;

	(void)state;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (; n < 400 && process_find(s->d->t, s->d->pid); n++) {
		value = 0;
		assert_int_equal(translate_run_sync(s->d->t,
						    n % 4 ? traced_thread(s->d)
							  : other_thread(s),
						    &call, 20000, &value),
				 0);
		assert_int_equal(value, 654321);
	}
	assert_int_equal(n, 400);
	stalker_exits(s);
	assert_spun(s);
	assert_int_equal(s->d->shared->v[1], 1);
	stalker_free(s);
}

static void run_calling(struct traced_shared *s)
{
	here = s;
	s->ready = 1;
	traced_wait_for(&s->go);
	do
		s->v[0] += syscall(SYS_getppid) < 0;
	while (!s->v[V_END]);
}

/* With others caught, each call of it is one that it may be halted at. */
static void amid_calls(int mode)
{
	const uint32_t caught = SYS_reboot;
	struct run_call call = call_of(add_six, 6);
	struct stalker *s = start(run_calling, mode);
	struct target *t = s->d->t;

	t->ops->syscall->catch(t, s->p, syscall_set_new(&caught, 1));
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	for (unsigned i = 0; i < 200; i++) {
		struct told told = { 0 };

		assert_int_equal(translate_run(t, traced_thread(s->d), &call,
					       ended, &told),
				 0);
		pump_until(s, &told);
		assert_told(&told, traced_thread(s->d)->id);
	}
	stalker_exits(s);
	assert_int_equal(s->d->shared->v[0], 0);
	stalker_free(s);
}

static void calls_are_made(void **state)
{
	(void)state;
	amid_calls(NATIVELY);
	amid_calls(MODE_NONE);
}

static void refused(void **state)
{
	struct run_call call = call_of(add_six, RUN_ARGS_MAX + 1);
	struct stalker *s = start(run_spin, NATIVELY);

	(void)state;
	assert_int_equal(
		translate_run(s->d->t, traced_thread(s->d), &call, NULL, NULL),
		-EINVAL);
	stalker_ends(s);
	assert_spun(s);
	stalker_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_on_thread_current),
		cmocka_unit_test(run_on_thread_current_sync),
		cmocka_unit_test(run_on_thread_other),
		cmocka_unit_test(run_on_thread_other_sync),
		cmocka_unit_test(signal_meanwhile),
		cmocka_unit_test(breakpoint_meanwhile),
		cmocka_unit_test(function_never_ends),
		cmocka_unit_test(thread_ends_in_function),
		cmocka_unit_test(followed_no_more),
		cmocka_unit_test(process_is_let_go),
		cmocka_unit_test(many_times),
		cmocka_unit_test(calls_are_made),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
