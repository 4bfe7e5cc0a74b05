/* SIGSTOPs, and stops of whole processes, that begin while something else is
 * yet to come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "test/unit/traced.h"

enum { V_TURNS, V_STOP, V_END };

static void count(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	while (!s->v[V_END])
		s->v[V_TURNS]++;
}

static void send(const struct traced *d, int signo)
{
	assert_int_equal(syscall(SYS_tgkill, d->pid, d->pid, signo), 0);
}

/* What should come does so in that time. */
static struct stop soon(struct traced *d)
{
	struct stop st;

	for (int i = 0; i < 2000; i++) {
		if (d->t->ops->next_event(d->t, &st, false))
			return st;
		usleep(1000);
	}
	fail_msg("nothing stops");
	return st;
}

static void expect(struct stop st, int signo)
{
	assert_int_equal(st.kind, STOP_SIGNAL);
	assert_int_equal(st.signo, signo);
}

/* --- SIGSTOPs of the layer above ------------------------------------------ */

static bool is_stub;

static bool is_trap(void *user, struct thread *th, int signo, uint64_t addr)
{
	(void)user, (void)th, (void)addr;
	return is_stub && signo == SIGSTOP;
}

/* It has sent itself one where the layer above wants it, and another signal
 * came first. */
static struct traced *owes_stop(void)
{
	struct traced *d = traced_start(count);

	sigaddset(&d->t->pass_signals, SIGCONT);
	d->t->traps = true;
	d->t->is_trap = is_trap;
	d->shared->go = 1;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	traced_stop(d);
	send(d, SIGSTOP);
	send(d, SIGUSR1);
	is_stub = true;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	expect(soon(d), SIGUSR1);
	is_stub = false;
	return d;
}

static void ends(struct traced *d)
{
	long turns = d->shared->v[V_TURNS];
	struct stop st;

	while (d->shared->v[V_TURNS] == turns)
		traced_goes_on(d);
	d->shared->v[V_END] = 1;
	st = soon(d);
	assert_int_equal(st.kind, STOP_EXITED);
	traced_end(d);
}

static void one_that_comes_late_is_not_told(void **state)
{
	struct traced *d = owes_stop();

	(void)state;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	ends(d);
}

/* The next is the program's. */
static void one_that_a_sigcont_takes_back_is_not_waited_for(void **state)
{
	struct traced *d = owes_stop();

	(void)state;
	kill(d->pid, SIGCONT);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	for (int i = 0; i < 100; i++)
		traced_goes_on(d);
	send(d, SIGSTOP);
	expect(soon(d), SIGSTOP);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	ends(d);
}

/* --- stops of a process --------------------------------------------------- */

static struct traced_shared *shared;

static void *stop_all(void *arg)
{
	shared->ready = 1;
	while (!shared->v[V_STOP])
		;
	kill(getpid(), SIGSTOP);
	return arg;
}

static void count_beside(struct traced_shared *s)
{
	pthread_t t;

	shared = s;
	pthread_create(&t, NULL, stop_all, NULL);
	traced_wait_for(&s->go);
	while (!s->v[V_END])
		s->v[V_TURNS]++;
	pthread_join(t, NULL);
}

/* The leader has yet to take a SIGSTOP of the layer above, and its process
 * stops. */
static void a_trap_that_waits_comes_before_the_stop(void **state)
{
	struct traced *d = traced_start(count_beside);
	struct ptid leader = { d->pid, d->pid };
	struct stop st;

	(void)state;
	sigaddset(&d->t->pass_signals, SIGCONT);
	d->t->traps = true;
	d->t->is_trap = is_trap;
	d->shared->go = 1;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	traced_stop(d);
	d->shared->v[V_STOP] = 1;
	st = soon(d);
	expect(st, SIGSTOP);
	assert_int_not_equal(st.id.tid, d->pid);
	traced_resume(d, st.id, SIGSTOP);
	for (int i = 0; i < 100; i++)
		traced_goes_on(d);
	send(d, SIGSTOP);
	is_stub = true;
	traced_resume(d, leader, 0);
	st = soon(d);
	expect(st, SIGTRAP);
	assert_int_equal(st.code, SIGNAL_TRAP);
	assert_int_equal(st.id.tid, d->pid);
	is_stub = false;
	/* It is part of that stop afterwards, and can be halted. */
	traced_resume(d, leader, 0);
	for (int i = 0; i < 100; i++)
		traced_goes_on(d);
	d->t->ops->halt(d->t);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	d->shared->v[V_END] = 1;
	for (int i = 0; i < 100; i++)
		traced_goes_on(d);
	kill(d->pid, SIGCONT);
	do
		st = soon(d);
	while (st.kind != STOP_EXITED);
	traced_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_comes_late_is_not_told),
		cmocka_unit_test(
			one_that_a_sigcont_takes_back_is_not_waited_for),
		cmocka_unit_test(a_trap_that_waits_comes_before_the_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
