/* Logpoints: who has met one, and is yet to execute what is there, does not
 * meet it again; and whoever comes there later does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "target/traced.h"
#include "test/unit/ax_hex.h"
#include "test/unit/traced.h"

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

/* It has printed once, and stands amid the long turn. */
static struct traced *begin(unsigned *lines)
{
	struct traced *d = traced_start(run_turns);
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
	return d;
}

static void it_is_met_once(void **state)
{
	unsigned lines = 0;
	struct traced *d = begin(&lines);

	(void)state;
	assert_int_equal(lines, 1);
	traced_ends(d);
	assert_int_equal(lines, 3);
	traced_end(d);
}

/* A breakpoint is set at the same place, which is yet to be met. */
static void beside_a_breakpoint_too(void **state)
{
	unsigned lines = 0;
	struct traced *d = begin(&lines);
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
	struct traced *d = begin(&lines);
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
	traced_ends(d);
	assert_int_equal(lines, 3);
	traced_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_met_once),
		cmocka_unit_test(beside_a_breakpoint_too),
		cmocka_unit_test(who_goes_elsewhere_meets_it_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
