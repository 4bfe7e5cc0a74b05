/*
 * Breakpoint instructions of the layer above that are no points: each brings
 * the thread to the layer, which sends it elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/syscall.h>

#include "test/unit/traced.h"

/* A loop that a trap of the layer's ends each time; what is behind it is
 * reached by mistake only. */
extern const char loop_begin[], loop_trap[], loop_left[];
/* ... that a SIGSTOP of its own ends, and a system call. */
extern const char halt_begin[], halt_again[], halt_stop[];
extern const char call_begin[], call_behind[];

/* clang-format off */
__asm__(".text\n"
	"loop_begin:\n\t"
	"incq (%rdi)\n"
	"loop_trap:\n\t"
	"int3\n\t"
	"ud2\n"
	"loop_left:\n\t"
	"ret\n"
	"halt_begin:\n\t"
	"mov %rdi, %r8\n"
	"halt_again:\n\t"
	"incq (%r8)\n\t"
	"mov 8(%r8), %edi\n\t"
	"mov $19, %esi\n\t"
	"mov $200, %eax\n\t"
	"syscall\n"
	"halt_stop:\n\t"
	"ud2\n"
	"call_begin:\n\t"
	"syscall\n"
	"call_behind:\n\t"
	"ud2\n");
/* clang-format on */

static void loop(struct traced_shared *s)
{
	void (*fn)(volatile long *) = (void (*)(volatile long *))loop_begin;

	s->ready = 1;
	traced_wait_for(&s->go);
	fn(&s->v[0]);
}

static void halting(struct traced_shared *s)
{
	void (*fn)(volatile long *) = (void (*)(volatile long *))halt_begin;

	s->v[1] = gettid();
	s->ready = 1;
	traced_wait_for(&s->go);
	fn(&s->v[0]);
}

static unsigned asked;

static bool is_loop_trap(void *user, struct thread *th, int signo,
			 uint64_t addr)
{
	(void)user, (void)th;
	asked++;
	return addr == (uintptr_t)(signo == SIGSTOP ? halt_stop : loop_trap);
}

static struct traced *start(traced_fn *fn)
{
	struct traced *d = traced_start(fn);

	d->t->traps = true;
	d->t->is_trap = is_loop_trap;
	d->shared->go = 1;
	asked = 0;
	return d;
}

static uint64_t pc_of(struct traced *d)
{
	struct thread *th = traced_thread(d);
	uint64_t pc;

	assert_int_equal(target_reg_u64(d->t, th, th->proc->arch->pc, &pc), 0);
	return pc;
}

static void go_to(struct traced *d, const char *at)
{
	struct thread *th = traced_thread(d);
	uint64_t pc = (uintptr_t)at;

	assert_int_equal(target_reg_write(d->t, th, th->proc->arch->pc, &pc),
			 0);
}

static void assert_trap(struct traced *d, const struct stop *st)
{
	assert_int_equal(st->kind, STOP_SIGNAL);
	assert_int_equal(st->signo, SIGTRAP);
	assert_int_equal(st->code, SIGNAL_TRAP);
	assert_int_equal(pc_of(d), (uintptr_t)loop_trap + 1);
}

static void test_met(void **state)
{
	struct traced *d = start(loop);
	struct stop st;

	(void)state;
	/* Such a trap is told all the same. */
	sigaddset(&d->t->pass_signals, SIGTRAP);
	for (int i = 1; i <= 5; i++) {
		st = traced_run(d, 0);
		assert_trap(d, &st);
		assert_int_equal(d->shared->v[0], i);
		go_to(d, loop_begin);
	}
	assert_int_equal(asked, 5);
	go_to(d, loop_left);
	traced_ends(d);
	traced_end(d);
}

/* As before: the program's own, which the layer above is asked about first. */
static void test_programs_own(void **state)
{
	struct traced *d = start(loop);
	struct stop st;

	(void)state;
	d->t->traps = false;
	st = traced_run(d, 0);
	assert_int_equal(st.signo, SIGTRAP);
	assert_int_equal(st.code, SIGNAL_PROGRAMS);
	assert_int_equal(asked, 0);
	d->t->traps = true;
	d->t->is_trap = NULL;
	go_to(d, loop_begin);
	st = traced_run(d, 0);
	assert_int_equal(st.signo, SIGTRAP);
	assert_int_equal(st.code, SIGNAL_PROGRAMS);
	traced_end(d);
}

/* An interrupt that comes at the same time hides none. */
static void test_interrupted(void **state)
{
	struct traced *d = start(loop);
	struct stop st;
	long met = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		traced_resume(d, (struct ptid){ -1, -1 }, 0);
		for (volatile int spin = i % 100 * 20; spin > 0; spin--)
			;
		d->t->ops->interrupt(d->t, (struct ptid){ d->pid, d->pid });
		st = traced_event(d);
		assert_int_equal(st.kind, STOP_SIGNAL);
		if (st.signo) {
			assert_trap(d, &st);
			go_to(d, loop_begin);
			met++;
		} else {
			assert_int_not_equal(pc_of(d),
					     (uintptr_t)loop_trap + 1);
		}
	}
	assert_true(d->shared->v[0] - met == 0 || d->shared->v[0] - met == 1);
	traced_end(d);
}

/* Its signal is no program's, even if those are given back. */
static void test_let_go(void **state)
{
	struct traced *d = start(loop);

	(void)state;
	sigaddset(&d->t->program_signals, SIGTRAP);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	while (!d->shared->v[0])
		usleep(1000);
	d->t->ops->halt(d->t);
	go_to(d, loop_left);
	d->t->ops->detach(d->t, process_find(d->t, d->pid), SIGTRAP);
	assert_int_equal(traced_reap(d), 0);
	traced_end(d);
}

/* --- by a signal of the thread's own ------------------------------------- */

static void assert_halt(struct traced *d, const struct stop *st)
{
	assert_int_equal(st->kind, STOP_SIGNAL);
	assert_int_equal(st->signo, SIGTRAP);
	assert_int_equal(st->code, SIGNAL_TRAP);
	assert_int_equal(pc_of(d), (uintptr_t)halt_stop);
}

static void test_halts(void **state)
{
	struct traced *d = start(halting);
	struct stop st;

	(void)state;
	sigaddset(&d->t->pass_signals, SIGSTOP);
	for (int i = 1; i <= 5; i++) {
		st = traced_run(d, 0);
		assert_halt(d, &st);
		assert_int_equal(d->shared->v[0], i);
		go_to(d, halt_again);
	}
	d->t->is_trap = NULL;
	sigdelset(&d->t->pass_signals, SIGSTOP);
	st = traced_run(d, 0);
	assert_int_equal(st.signo, SIGSTOP);
	assert_int_not_equal(st.code, SIGNAL_TRAP);
	traced_end(d);
}

static void test_halt_interrupted(void **state)
{
	struct traced *d = start(halting);
	struct stop st;
	long met = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		traced_resume(d, (struct ptid){ -1, -1 }, 0);
		for (volatile int spin = i % 100 * 20; spin > 0; spin--)
			;
		d->t->ops->interrupt(d->t, (struct ptid){ d->pid, d->pid });
		st = traced_event(d);
		if (!st.signo)
			continue;
		assert_halt(d, &st);
		go_to(d, halt_again);
		met++;
	}
	assert_true(met > 0);
	assert_true(d->shared->v[0] - met == 0 || d->shared->v[0] - met == 1);
	traced_end(d);
}

/* --- a call by itself ---------------------------------------------------- */

static void test_call(void **state)
{
	struct traced *d = start(loop);
	struct thread *th = traced_thread(d);
	struct resume act = { .kind = RESUME_CALL };
	uint64_t rax = SYS_getpid;
	struct stop st = traced_run(d, 0);

	(void)state;
	assert_trap(d, &st);
	go_to(d, call_begin);
	assert_int_equal(target_reg_write(d->t, th, 0, &rax), 0);
	act.who = th->id;
	assert_int_equal(target_resume(d->t, &act, 1), 0);
	st = traced_event(d);
	assert_int_equal(st.kind, STOP_STEP);
	assert_int_equal(pc_of(d), (uintptr_t)call_behind);
	assert_int_equal(target_reg_u64(d->t, th, 0, &rax), 0);
	assert_int_equal(rax, d->pid);
	traced_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_met),
		cmocka_unit_test(test_programs_own),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_let_go),
		cmocka_unit_test(test_halts),
		cmocka_unit_test(test_halt_interrupted),
		cmocka_unit_test(test_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
