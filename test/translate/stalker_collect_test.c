/* Compiled collection: no test of Stalker's, which calls out for such things.
 */
#include "test/translate/collecting.h"
#include "test/translate/ticking.h"

static void run_interrupted(struct traced_shared *s)
{
	s->v[0] = ticking_run(s, loop, LOOPS);
}

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
