/* Logpoints: who has met one, and is yet to execute what is there, does not
 * meet it again; and whoever comes there later does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <string.h>

#include "target/filter.h"
#include "target/traced.h"
#include "test/unit/ax_hex.h"
#include "test/unit/traced.h"
#include "translate/translate.h"

/* So long, or so short, a turn at one place. */
#define LONG  (UINT64_C(1) << 30)
#define SHORT 16

__asm__(".text\n"
	"turns:\n"
	"	mov %rdi, %r8\n"
	"	mov %rsi, %rcx\n"
	"1:	mov %r8, %rsi\n"
	"place:	rep lodsb\n"
	"behind: mov $16, %ecx\n"
	"	dec %rdx\n"
	"	jne 1b\n"
	"	ret\n");

extern const char place[], behind[];
void turns(const void *mem, uint64_t first, uint64_t n);

/* One long turn and two short ones. */
static void run_turns(struct traced_shared *s)
{
	void *mem = mmap(NULL, LONG, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	s->ready = 1;
	traced_wait_for(&s->go);
	turns(mem, LONG, 3);
}

static void print(void *user, bool console, const char *text, size_t len)
{
	unsigned *lines = user;

	assert_true(console);
	assert_int_equal(len, 2);
	assert_memory_equal(text, "x\n", 2);
	++*lines;
}

/* printf "x\n" */
static struct point_code *logpoint(void)
{
	struct point_code *c = point_code_new();
	struct err e;

	c->console = true;
	c->command = calloc(1, sizeof(*c->command));
	c->n_command = 1;
	assert_int_equal(ax_load_hex("2200 2200 34 00 0003 780a00 27",
				     &c->command[0], &e),
			 0);
	return c;
}

static uint64_t pc_of(struct traced *d)
{
	struct thread *th = traced_thread(d);
	uint64_t pc;

	assert_int_equal(target_reg_u64(d->t, th, th->proc->arch->pc, &pc), 0);
	return pc;
}

/* The rest of it. */
static void shorten(struct traced *d)
{
	struct thread *th = traced_thread(d);
	const uint64_t left = SHORT;
	unsigned n = 0;

	while (strcmp(th->proc->arch->regs[n].name, "rcx") != 0)
		n++;
	assert_int_equal(target_reg_write(d->t, th, n, &left), 0);
}

enum way { NATIVELY, BY_SERVER, BY_CODE };

static struct traced *start(enum way way)
{
	struct traced *d = traced_prepare(run_turns);
	struct err e;

	d->t = translate_new(d->t);
	traced_attach(d);
	d->t->ops->point->conditions(d->t, way == BY_CODE
						   ? CONDITIONS_COMPILED
						   : CONDITIONS_SERVER);
	if (way != NATIVELY &&
	    translate_follow(d->t, process_find(d->t, d->pid), MODE_NONE,
			     &e) < 0)
		fail_msg("%s", e.text);
	return d;
}

/* It has printed once, and stands amid the long turn. */
static struct traced *begin(enum way way, unsigned *lines)
{
	struct traced *d = start(way);
	struct process *p = process_find(d->t, d->pid);
	struct point_code *c = logpoint();

	d->t->print = print;
	d->t->print_user = lines;
	assert_int_equal(log_point_set(d->t, p, (uintptr_t)place, c), 0);
	point_code_unref(c);
	d->shared->go = 1;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	while (!*lines)
		traced_goes_on(d);
	traced_stop(d);
	assert_int_equal(pc_of(d), (uintptr_t)place);
	shorten(d);
	return d;
}

static void ends(struct traced *d, const unsigned *lines)
{
	traced_ends(d);
	assert_int_equal(*lines, 3);
	traced_end(d);
}

static void it_is_met_once(void **state)
{
	unsigned lines = 0;
	struct traced *d = begin(NATIVELY, &lines);

	(void)state;
	assert_int_equal(lines, 1);
	ends(d, &lines);
	for (enum way way = BY_SERVER; way <= BY_CODE; way++) {
		lines = 0;
		ends(begin(way, &lines), &lines);
	}
}

static void who_is_let_go_of_there_has_met_it(void **state)
{
	(void)state;
	for (enum way way = BY_SERVER; way <= BY_CODE; way++) {
		unsigned lines = 0;
		struct traced *d = begin(way, &lines);

		translate_unfollow(d->t, process_find(d->t, d->pid));
		ends(d, &lines);
	}
}

static void who_is_followed_there_has_met_it(void **state)
{
	enum condition_place at[] = { CONDITIONS_SERVER,
					 CONDITIONS_COMPILED };
	struct err e;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned lines = 0;
		struct traced *d = begin(NATIVELY, &lines);

		d->t->ops->point->conditions(d->t, at[i]);
		assert_int_equal(translate_follow(d->t,
						  process_find(d->t, d->pid),
						  MODE_NONE, &e),
				 0);
		ends(d, &lines);
	}
}

/* The other way than it has printed by. */
static void it_is_met_once_in_two_ways(void **state)
{
	unsigned lines = 0;
	struct traced *d = begin(BY_SERVER, &lines);

	(void)state;
	d->t->ops->point->conditions(d->t, CONDITIONS_COMPILED);
	ends(d, &lines);
	lines = 0;
	d = begin(BY_CODE, &lines);
	d->t->ops->point->conditions(d->t, CONDITIONS_SERVER);
	ends(d, &lines);
}

/* A breakpoint that never stops. */
static struct point_code *never(void)
{
	struct point_code *c = point_code_new();
	struct err e;

	c->cond = calloc(1, sizeof(*c->cond));
	c->n_cond = 1;
	assert_int_equal(ax_load_hex("2200 27", &c->cond[0], &e), 0);
	return c;
}

/* As long as the thread has no time to come any further. */
static void hardly_run(struct traced *d, bool look)
{
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	d->t->ops->halt(d->t);
	if (look)
		pc_of(d);
}

static void beside_a_breakpoint_that_comes_and_goes(void **state)
{
	(void)state;
	for (int n = 0; n < 2 * (BY_CODE + 1); n++) {
		unsigned lines = 0;
		struct traced *d = begin(n / 2, &lines);
		struct process *p = process_find(d->t, d->pid);

		for (int i = 0; i < 20; i++) {
			traced_point_ask(d->t, p, POINT_SW, (uintptr_t)place, 1,
					 never());
			hardly_run(d, n % 2);
			traced_point_unask(d->t, p, POINT_SW, (uintptr_t)place,
					   1);
			hardly_run(d, n % 2);
		}
		ends(d, &lines);
	}
}

static void who_is_stepped_there_has_met_it(void **state)
{
	const struct resume step = { { -1, -1 }, RESUME_STEP, 0, false, 0, 0 };

	(void)state;
	for (enum way way = NATIVELY; way <= BY_CODE; way++) {
		unsigned lines = 0;
		struct traced *d = begin(way, &lines);

		assert_int_equal(target_resume(d->t, &step, 1), 0);
		assert_int_equal(traced_event(d).kind, STOP_STEP);
		assert_int_equal(pc_of(d), (uintptr_t)place);
		assert_int_equal(lines, 1);
		traced_end(d);
	}
}

static void ask(struct traced *d, struct point_filter *f)
{
	struct process *p = process_find(d->t, d->pid);
	struct point_code *c = point_code_new();

	c->filter = f;
	f->refs++;
	assert_int_equal(traced_point_ask(d->t, p, POINT_SW, (uintptr_t)place,
					  1, c),
			 0);
}

static void unask(struct traced *d)
{
	traced_point_unask(d->t, process_find(d->t, d->pid), POINT_SW,
			   (uintptr_t)place, 1);
}

/* Set anew while it stands there, as gdb does at each stop, with and without a
 * logpoint beside. */
static void a_filter_counts_once(void **state)
{
	(void)state;
	for (int n = 0; n < 2 * (BY_CODE + 1); n++) {
		struct point_filter *f = filter_new();
		struct traced *d = start(n / 2);
		struct process *p = process_find(d->t, d->pid);
		struct point_code *log = logpoint();
		unsigned lines = 0;

		d->t->print = print;
		d->t->print_user = &lines;
		f->ignore = 1000;
		if (n % 2)
			log_point_set(d->t, p, (uintptr_t)place, log);
		point_code_unref(log);
		ask(d, f);
		d->shared->go = 1;
		traced_resume(d, (struct ptid){ -1, -1 }, 0);
		while (!filter_hits(f))
			traced_goes_on(d);
		traced_stop(d);
		assert_int_equal(pc_of(d), (uintptr_t)place);
		shorten(d);
		for (int i = 0; i < 20; i++) {
			unask(d);
			ask(d, f);
			hardly_run(d, false);
		}
		traced_ends(d);
		assert_int_equal(filter_hits(f), 3);
		assert_int_equal(lines, n % 2 ? 3 : 0);
		traced_end(d);
		filter_unref(f);
	}
}

/* A breakpoint is set at the same place, which is yet to be met. */
static void beside_a_breakpoint_too(void **state)
{
	unsigned lines = 0;
	struct traced *d = begin(NATIVELY, &lines);
	struct process *p = process_find(d->t, d->pid);

	(void)state;
	assert_int_equal(traced_point_ask(d->t, p, POINT_SW, (uintptr_t)place,
					  1, NULL),
			 0);
	assert_int_equal(traced_run(d, 0).kind, STOP_SWBREAK);
	assert_int_equal(pc_of(d), (uintptr_t)place);
	assert_int_equal(lines, 1);
	traced_point_unask(d->t, p, POINT_SW, (uintptr_t)place, 1);
	traced_end(d);
}

/* It was about to meet that when the client sent it elsewhere. */
static void who_goes_elsewhere_meets_it_later(void **state)
{
	unsigned lines = 0;
	struct traced *d = begin(NATIVELY, &lines);
	struct process *p = process_find(d->t, d->pid);
	uint64_t pc = (uintptr_t)behind;

	(void)state;
	assert_int_equal(traced_point_ask(d->t, p, POINT_SW, (uintptr_t)place,
					  1, NULL),
			 0);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	d->t->ops->halt(d->t);
	traced_point_unask(d->t, p, POINT_SW, (uintptr_t)place, 1);
	assert_int_equal(target_reg_write(d->t, traced_thread(d),
					  p->arch->pc, &pc),
			 0);
	ends(d, &lines);
}

/* Here, as are the children: who is set going does not run before we wait. */
static void stay_on_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_met_once),
		cmocka_unit_test(it_is_met_once_in_two_ways),
		cmocka_unit_test(beside_a_breakpoint_that_comes_and_goes),
		cmocka_unit_test(a_filter_counts_once),
		cmocka_unit_test(who_is_let_go_of_there_has_met_it),
		cmocka_unit_test(who_is_followed_there_has_met_it),
		cmocka_unit_test(who_is_stepped_there_has_met_it),
		cmocka_unit_test(beside_a_breakpoint_too),
		cmocka_unit_test(who_goes_elsewhere_meets_it_later),
	};

	stay_on_one_processor();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
