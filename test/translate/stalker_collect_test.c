/* Compiled collection: no test of Stalker's, which calls out for such things.
 */
#include "test/translate/stalker.h"

#include <signal.h>
#include <sys/time.h>

#include "agent/ax.h"
#include "base/buf.h"
#include "translate/collect.h"

/* clang-format off */
SNIPPET(loop,
	"xor %eax, %eax\n"
	"mov $0x1111, %ecx\n"
	"mov $0x2222, %edx\n"
	"mov $0x3333, %r9d\n"
"loop_head:\n"
	"inc %rax\n"
"loop_here:\n"
	"dec %rsi\n"
	"jne loop_head\n"
	"ret");
/* clang-format on */

extern const char loop_here[];

#define LOOPS 20000

static void tick(int signo)
{
	(void)signo;
}

static void run_loop(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = snippet_call(loop, &s->v[8], LOOPS);
}

static void run_interrupted(struct traced_shared *s)
{
	struct itimerval every = { { 0, 100 }, { 0, 100 } }, never = { 0 };

	signal(SIGALRM, tick);
	s->ready = 1;
	traced_wait_for(&s->go);
	setitimer(ITIMER_REAL, &every, NULL);
	s->v[0] = snippet_call(loop, &s->v[8], LOOPS);
	setitimer(ITIMER_REAL, &never, NULL);
}

/* --- what was told -------------------------------------------------------- */

#define PARTS_KEPT 8

static struct told {
	unsigned n, errors, wrong;
	uint64_t last_time;
	int64_t expect; /* of the first word of the first part */
	int64_t step;
	struct collect_hit last;
	struct collect_part parts[PARTS_KEPT];
	uint8_t data[PARTS_KEPT][512];
} told;

static void take(void *user, const struct collect_hit *hit)
{
	struct told *t = user;
	int64_t first = 0;

	t->n++;
	t->errors += hit->error != 0;
	t->wrong += hit->time < t->last_time;
	t->last_time = hit->time;
	t->last = *hit;
	for (unsigned i = 0; i < hit->n_parts && i < PARTS_KEPT; i++) {
		t->parts[i] = hit->parts[i];
		assert_true(hit->parts[i].length <= sizeof(t->data[i]));
		if (!hit->parts[i].error)
			memcpy(t->data[i], hit->parts[i].data,
			       hit->parts[i].length);
	}
	if (!t->step || !hit->n_parts)
		return;
	memcpy(&first, hit->parts[0].data, sizeof(first));
	t->wrong += first != t->expect;
	t->expect += t->step;
}

static void listen(struct stalker *s, int64_t expect, int64_t step)
{
	told = (struct told){ .expect = expect, .step = step };
	translate_on_collect(s->d->t, take, &told);
}

static uint64_t word(unsigned part, unsigned n)
{
	uint64_t v;

	memcpy(&v, told.data[part] + 8 * n, sizeof(v));
	return v;
}

static struct ax_program *program(const char *code, size_t len)
{
	struct ax_program *p;
	struct err e = { 0 };

	if (ax_load(&p, (const uint8_t *)code, len, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}
#define PROGRAM(text) program(text, sizeof(text) - 1)

static int add(struct stalker *s, const struct collect_spec *spec,
	       bool is_compiled)
{
	bool compiled;
	int n = translate_collect_add(s->d->t, s->p, spec, &compiled);

	assert_true(n > 0);
	assert_int_equal(compiled, is_compiled);
	return n;
}

#define REG(n) (UINT64_C(1) << (n))
#define HERE   ((uintptr_t)loop_here)
#define ONE                                                    \
	{                                                      \
		.what = COLLECT_REGISTERS, .registers = REG(0) \
	}

static uint64_t counted(const struct stalker *s, const char *what)
{
	const struct translate_stats *st = translate_stats(s->d->t);

	return !strcmp(what, "called")	? st->collects_called
	       : !strcmp(what, "lost")	? st->collects_lost
	       : !strcmp(what, "waits") ? st->collect_waits
					: st->callouts;
}

/* --- tests ---------------------------------------------------------------- */

static void every_register(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	const struct collect_item items[] = {
		ONE,
		{ .what = COLLECT_REGISTERS, .registers = 0x3ffff },
	};
	const struct collect_spec spec = {
		.id = 7, .pc = HERE, .items = items, .n_items = 2
	};

	(void)state;
	listen(s, 1, 1);
	add(s, &spec, true);
	stalker_ends(s);
	stalker_same(s);
	assert_int_equal(told.n, LOOPS);
	assert_int_equal(told.wrong + told.errors, 0);
	assert_int_equal(told.last.id, 7);
	assert_int_equal(told.last.pc, HERE);
	assert_int_equal(told.last.who.tid, s->d->pid);
	assert_int_equal(told.last.n_parts, 2);
	assert_int_equal(told.parts[1].length, 18 * 8);
	assert_int_equal(word(1, 0), LOOPS);
	assert_int_equal(word(1, 2), 0x1111);
	assert_int_equal(word(1, 3), 0x2222);
	assert_int_equal(word(1, 4), 1);
	assert_int_equal(word(1, 5), (uintptr_t)&s->d->shared->v[8]);
	assert_int_equal(word(1, 9), 0x3333);
	assert_int_equal(word(1, 16), HERE);
	/* inc: no overflow, sign or zero; interrupts are on. */
	assert_int_equal(word(1, 17) & 0xac2, 0x202);
	assert_int_equal(counted(s, "callouts"), 0);
	stalker_free(s);
}

static void memory(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	struct ax_program *traces = PROGRAM("\x26\0\5\x0d\x08\x16\x40\x22\x20"
					    "\x02\x22\x13\x0c\x27");
	/* rdi, trace_quick 8, ext 64, const8 32, add, const8 19, trace, end */
	const struct collect_item items[] = {
		ONE,
		{ .what = COLLECT_MEMORY, .base = 5, .length = 63 },
		{ .what = COLLECT_MEMORY,
		  .base = -1,
		  .offset = (intptr_t)loop,
		  .length = 300 },
		{ .what = COLLECT_MEMORY,
		  .base = -1,
		  .offset = 8,
		  .length = 4 },
		{ .what = COLLECT_TRACES, .code = traces },
	};
	const struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 5
	};
	uint8_t *v = (uint8_t *)&s->d->shared->v[8];

	(void)state;
	for (unsigned i = 0; i < 63; i++)
		v[i] = (uint8_t)(3 * i + 1);
	listen(s, 1, 1);
	add(s, &spec, true);
	/* A fault is a stop: not of all. */
	s->d->shared->v[14] = 0;
	stalker_ends(s);
	assert_int_equal(told.n, LOOPS);
	assert_int_equal(told.wrong + told.errors, 0);
	assert_int_equal(told.last.n_parts, 6);
	assert_memory_equal(told.data[1], v, 48);
	assert_int_equal(told.parts[1].addr, (uintptr_t)v);
	assert_memory_equal(told.data[2], loop, 300);
	assert_int_equal(told.parts[2].length, 300);
	assert_int_equal(told.parts[3].error, -EFAULT);
	assert_int_equal(told.parts[3].addr, 8);
	assert_int_equal(told.parts[4].addr, (uintptr_t)v);
	assert_memory_equal(told.data[4], v, 8);
	assert_int_equal(told.parts[5].addr, (uintptr_t)v + 32);
	assert_int_equal(told.parts[5].length, 19);
	assert_memory_equal(told.data[5], v + 32, 16);
	assert_int_equal(counted(s, "callouts"), 0);
	stalker_free(s);
	ax_free(traces);
}

/* The stop tells what the code does. */
static void by_a_stop(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	struct ax_program *nul = PROGRAM("\x26\0\5\x22\x10\x2f\x27");
	struct ax_program *when = PROGRAM("\x26\0\0\x23\x0f\xff\x0f\x0e\x27");
	const struct collect_item items[] = {
		{ .what = COLLECT_REGISTERS, .registers = REG(0) | REG(40) },
		{ .what = COLLECT_MEMORY, .base = 5, .length = 16 },
		{ .what = COLLECT_MEMORY,
		  .base = -1,
		  .offset = 8,
		  .length = 4 },
		{ .what = COLLECT_TRACES, .code = nul },
	};
	const struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 4, .when = when
	};

	(void)state;
	strcpy((char *)&s->d->shared->v[8], "text");
	listen(s, 4096, 4096);
	add(s, &spec, false);
	stalker_ends(s);
	assert_int_equal(told.n, LOOPS / 4096);
	assert_int_equal(told.wrong + told.errors, 0);
	assert_int_equal(told.last.n_parts, 4);
	assert_int_equal(told.parts[0].length, 24);
	assert_memory_equal(told.data[1], "text", 5);
	assert_int_equal(told.parts[2].error, -EFAULT);
	assert_int_equal(told.parts[3].length, 5);
	assert_memory_equal(told.data[3], "text", 5);
	assert_int_equal(counted(s, "called"), LOOPS);
	stalker_free(s);
	ax_free(nul);
	ax_free(when);
}

/* A string of up to 512 bytes, again and again. */
static void in_a_loop(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	struct ax_program *more = PROGRAM("\x26\0\5\x23\2\0\x2f"
					  "\x22\1\x20\0\0\x27");
	struct ax_program *last = PROGRAM("\x26\0\0\x23\x4e\x20\x13\x27");
	const struct collect_item item = { .what = COLLECT_TRACES,
					   .code = more };
	struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = &item, .n_items = 1, .when = last
	};

	(void)state;
	strcpy((char *)&s->d->shared->v[8], "text");
	listen(s, 0, 0);
	add(s, &spec, false);
	stalker_ends(s);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.last.n_parts, COLLECT_LARGE / 512 + 1);
	assert_memory_equal(told.data[7], "text", 5);
	stalker_free(s);
	ax_free(more);
	ax_free(last);
}

/* Memory that is not there, again and again: 16 pages of it each time. */
static void in_a_loop_that_finds_nothing(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	struct ax_program *more = PROGRAM("\x23\x10\0\x24\0\1\0\0\x0c"
					  "\x22\1\x20\0\0\x27");
	struct ax_program *last = PROGRAM("\x26\0\0\x23\x4e\x20\x13\x27");
	const struct collect_item item = { .what = COLLECT_TRACES,
					   .code = more };
	struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = &item, .n_items = 1, .when = last
	};

	(void)state;
	listen(s, 0, 0);
	add(s, &spec, false);
	stalker_ends(s);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.last.n_parts, COLLECT_LARGE / 0x10000 + 1);
	stalker_free(s);
	ax_free(more);
	ax_free(last);
}

static void conditions(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	/* !(rax & 255) */
	struct ax_program *some = PROGRAM("\x26\0\0\x22\xff\x0f\x0e\x27");
	/* 1 / (rax / 19999) < 2: it cannot be told before that */
	struct ax_program *fails = PROGRAM("\x22\1\x26\0\0\x23\x4e\x1f\x05\x05"
					   "\x22\2\x14\x27");
	const struct collect_item items[] = { ONE };
	struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 1, .when = some
	};
	int number;

	(void)state;
	listen(s, 256, 256);
	number = add(s, &spec, true);
	assert_int_equal(translate_collect_drop(s->d->t, s->p, number + 1),
			 -ENOENT);
	stalker_ends(s);
	assert_int_equal(told.n, LOOPS / 256);
	assert_int_equal(told.wrong + told.errors, 0);
	assert_int_equal(counted(s, "callouts"), 0);
	stalker_free(s);
	s = stalker_begin(run_loop, MODE_NONE);
	spec.when = fails;
	listen(s, 0, 0);
	add(s, &spec, true);
	stalker_ends(s);
	assert_int_equal(told.n, LOOPS);
	assert_int_equal(told.errors, LOOPS - 2);
	assert_int_equal(told.wrong, 0);
	assert_int_equal(counted(s, "called"), LOOPS - 2);
	stalker_free(s);
	ax_free(some);
	ax_free(fails);
}

/* More than a ring has room for. */
static void full_rings(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	const struct collect_item items[] = {
		ONE, { .what = COLLECT_MEMORY, .base = 5, .length = 40 }
	};
	struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 2
	};

	(void)state;
	listen(s, 1, 1);
	add(s, &spec, true);
	stalker_ends(s);
	assert_int_equal(told.n, LOOPS);
	assert_int_equal(told.wrong, 0);
	assert_true(counted(s, "waits") > 5);
	assert_int_equal(counted(s, "lost"), 0);
	stalker_free(s);
	s = stalker_begin(run_loop, MODE_NONE);
	listen(s, 0, 0);
	spec.loses = true;
	add(s, &spec, true);
	stalker_ends(s);
	assert_int_equal(told.n + counted(s, "lost"), LOOPS);
	assert_true(told.n > 1000);
	assert_int_equal(counted(s, "waits"), 0);
	stalker_free(s);
}

/* Each is told once, whatever stops the thread. */
static void once_each_time(void **state)
{
	struct stalker *s = stalker_begin(run_interrupted, MODE_NONE);
	struct ax_program *v = PROGRAM("\x26\0\0\x26\0\4\x02\x27");
	const struct collect_item items[] = {
		{ .what = COLLECT_VALUE, .code = v },
		ONE,
		{ .what = COLLECT_MEMORY, .base = 5, .length = 200 },
	};
	const struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 3
	};
	struct collect_spec second = spec;

	(void)state;
	second.n_items = 0;
	listen(s, LOOPS + 1, 0);
	add(s, &spec, true);
	add(s, &second, true);
	stalker_ends(s);
	stalker_same(s);
	assert_int_equal(told.n, 2 * LOOPS);
	assert_int_equal(told.wrong + told.errors, 0);
	stalker_free(s);
	ax_free(v);
}

/* While it runs. */
static void dropped_later(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_COUNT);
	const struct collect_item items[] = { ONE };
	const struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 1
	};
	int number;
	unsigned n;

	(void)state;
	listen(s, 0, 0);
	number = add(s, &spec, true);
	s->d->shared->go = 1;
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	traced_stop(s->d);
	assert_int_equal(translate_collect_drop(s->d->t, s->p, number), 0);
	n = told.n;
	stalker_ends(s);
	stalker_same(s);
	assert_int_equal(told.n, n);
	stalker_free(s);
}

/* --- expressions: what is compiled is what is evaluated ------------------- */

static unsigned seed = 1;

static unsigned dice(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void put_number(struct buf *b)
{
	static const uint64_t some[] = {
		0,   1,		 2,	    7,
		63,  64,	 65,	    255,
		256, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MIN,
		-1,  -2,	 -7,	    0x123456789abc
	};
	uint64_t v = some[dice(sizeof(some) / sizeof(*some))];

	buf_putc(b, 0x25);
	for (int i = 56; i >= 0; i -= 8)
		buf_putc(b, (char)(v >> i));
}

static void put_leaf(struct buf *b)
{
	if (dice(3)) {
		put_number(b);
		return;
	}
	buf_putc(b, 0x26);
	buf_putc(b, 0);
	buf_putc(b, (char)dice(17));
}

static void put_ref(struct buf *b)
{
	buf_put(b, "\x26\0\5", 3);
	buf_putc(b, (char)(0x17 + dice(4)));
}

/* A value more, or one of two instead of them. */
static void put_some(struct buf *b, unsigned deep)
{
	static const char two[] = "\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"
				  "\x0f\x10\x11\x13\x14\x15";

	if (!deep) {
		put_leaf(b);
		return;
	}
	switch (dice(8)) {
	case 0:
		put_ref(b);
		break;
	case 1:
		put_some(b, deep - 1);
		buf_putc(b, dice(2) ? 0x0e : 0x12);
		break;
	case 2:
		put_some(b, deep - 1);
		buf_putc(b, dice(2) ? 0x16 : 0x2a);
		buf_putc(b, (char)dice(65));
		break;
	case 3:
		put_some(b, deep - 1);
		put_some(b, deep - 1);
		buf_put(b, "\x2b\x28\x32\2\x33\x02\x02\x29", 8);
		break;
	default:
		put_some(b, deep - 1);
		put_some(b, deep - 1);
		buf_putc(b, two[dice(sizeof(two) - 1)]);
	}
}

#define RANDOM 300
#define EACH   1

static const struct collect_item *checking;

static int known_reg(void *user, unsigned n, uint64_t *v)
{
	const struct collect_hit *hit = user;

	memcpy(v, hit->parts[0].data + 8 * n, sizeof(*v));
	return 0;
}

/* The test has the same memory. */
static int known_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	(void)user;
	memcpy(buf, (const void *)(uintptr_t)addr, len);
	return 0;
}

static void check(void *user, const struct collect_hit *hit)
{
	const struct ax_env env = { .reg = known_reg,
				    .mem = known_mem,
				    .user = (void *)(uintptr_t)hit };

	assert_int_equal(hit->n_parts, EACH + 1);
	for (unsigned i = 1; i <= EACH; i++) {
		const struct collect_part *part = &hit->parts[i];
		int64_t v = 0, is = 0;
		int r = ax_eval(checking[i].code, &env, &v);

		assert_int_equal(part->error < 0, r < 0);
		if (r == 0)
			memcpy(&is, part->data, sizeof(is));
		assert_int_equal(is, v);
	}
	++*(unsigned *)user;
}

static void run_random(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	while (!s->v[V_END])
		snippet_call(loop, &s->v[8], 3);
}

static struct ax_program *random_program(void)
{
	struct buf b = { 0 };
	struct ax_program *p;

	put_some(&b, 3);
	buf_putc(&b, 0x27);
	p = program(b.data, b.len);
	buf_fini(&b);
	return p;
}

static void run_a_while(struct stalker *s, unsigned *n)
{
	struct target *t = s->d->t;
	struct pollfd pfd = { .fd = t->ops->event_fd(t), .events = POLLIN };
	struct stop st;

	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
	while (!*n) {
		poll(&pfd, 1, 1);
		assert_int_equal(t->ops->next_event(t, &st, true), 0);
		translate_collect_drain(t);
	}
	traced_stop(s->d);
	translate_collect_drain(t);
}

static void random_expressions(void **state)
{
	struct stalker *s = stalker_begin(run_random, MODE_NONE);
	struct collect_item items[EACH + 1] = { { .what = COLLECT_REGISTERS,
						  .registers = 0x1ffff } };
	const struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = EACH + 1
	};
	unsigned compiled = 0, n;

	(void)state;
	checking = items;
	s->d->shared->v[8] = -0x123456789abcdef;
	s->d->shared->go = 1;
	translate_on_collect(s->d->t, check, &n);
	for (unsigned round = 0; round < RANDOM / EACH; round++) {
		bool is;
		int number;

		for (unsigned i = 1; i <= EACH; i++)
			items[i] = (struct collect_item){
				.what = COLLECT_VALUE, .code = random_program()
			};
		n = 0;
		number = translate_collect_add(s->d->t, s->p, &spec, &is);
		compiled += is;
		run_a_while(s, &n);
		translate_collect_drop(s->d->t, s->p, number);
		for (unsigned i = 1; i <= EACH; i++)
			ax_free((void *)(uintptr_t)items[i].code);
	}
	print_message("%u of %u compiled\n", compiled, RANDOM / EACH);
	assert_true(compiled > 10);
	stalker_ends(s);
	stalker_free(s);
}

/* From ten to one, and one that goes round for ever. */
static void loops(void **state)
{
	struct stalker *s = stalker_begin(run_loop, MODE_NONE);
	struct ax_program *sum = PROGRAM("\x22\0\x22\x0a\x28\x33\x02\x2b"
					 "\x22\1\x03\x28\x20\0\4\x29\x27");
	struct ax_program *ever = PROGRAM("\x22\1\x20\0\0\x22\5\x27");
	struct ax_program *last = PROGRAM("\x26\0\0\x23\x4e\x20\x13\x27");
	const struct collect_item items[] = {
		{ .what = COLLECT_VALUE, .code = sum },
		{ .what = COLLECT_VALUE, .code = ever },
	};
	struct collect_spec spec = {
		.id = 1, .pc = HERE, .items = items, .n_items = 2, .when = last
	};

	(void)state;
	listen(s, 0, 0);
	add(s, &spec, true);
	stalker_ends(s);
	assert_int_equal(told.n, 1);
	assert_int_equal(word(0, 0), 55);
	assert_int_equal(told.parts[1].error, -EFAULT);
	assert_int_equal(counted(s, "callouts"), 0);
	stalker_free(s);
	ax_free(sum);
	ax_free(ever);
	ax_free(last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_register),
		cmocka_unit_test(memory),
		cmocka_unit_test(by_a_stop),
		cmocka_unit_test(in_a_loop),
		cmocka_unit_test(in_a_loop_that_finds_nothing),
		cmocka_unit_test(conditions),
		cmocka_unit_test(full_rings),
		cmocka_unit_test(once_each_time),
		cmocka_unit_test(dropped_later),
		cmocka_unit_test(random_expressions),
		cmocka_unit_test(loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
