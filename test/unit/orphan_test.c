/* Threads whose server has died, put back: in a cache of two instructions and
 * a stub, and memory that is an array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/lifeline.h"
#include "base/mem.h"
#include "translate/trail.h"
#include "translate/x86_64/orphan.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

#define REGION	    UINT64_C(0x10000000)
#define COLD	    0x8000
#define STUBS	    0x10000
#define WINDOW	    UINT64_C(0x20000000)
#define TABLES	    UINT64_C(0x30000000)
#define STACK	    UINT64_C(0x40000000)
#define PC	    UINT64_C(0x401000)
#define PROGRAMS_GS UINT64_C(0x7777000)

static uint64_t window[WIN_REWIND_END / 8], stack[64];
static uint8_t code[16];
static uint32_t life;

static struct mark hot[] = {
	{ .pc = PC, .at = 0 },
	{ .pc = PC + 4, .at = 8, .rewind = REWIND_RCX, .undo = 8 },
};
static struct stub stubs[] = { { .pc = PC + 9, .kind = STUB_EXIT } };
static struct trails *all;

static struct piece {
	uint64_t addr;
	void *bytes;
	size_t size;
} pieces[] = {
	{ REGION, code, sizeof(code) },
	{ WINDOW, window, sizeof(window) },
	{ STACK, stack, sizeof(stack) },
	{ TABLES + TAB_LIFE - WIN_PAGE + offsetof(struct lifeline, word), &life,
	  sizeof(life) },
};

static void *find(uint64_t addr, size_t *len)
{
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		uint64_t at = addr - pieces[i].addr;

		if (at >= pieces[i].size)
			continue;
		if (*len > pieces[i].size - at)
			*len = pieces[i].size - at;
		return (uint8_t *)pieces[i].bytes + at;
	}
	return NULL;
}

static ssize_t mem_read(void *user, uint64_t addr, void *buf, size_t len)
{
	void *p = find(addr, &len);

	(void)user;
	return p ? (memcpy(buf, p, len), (ssize_t)len) : -1;
}

static ssize_t mem_write(void *user, uint64_t addr, const void *buf, size_t len)
{
	void *p = find(addr, &len);

	(void)user;
	return p ? (memcpy(p, buf, len), (ssize_t)len) : -1;
}

static const struct orphan_memory memory = { mem_read, mem_write, NULL };

static struct orphan orphan_at(uint64_t pc)
{
	struct orphan o = { .gs_base = WINDOW, .memory = &memory };

	o.regs[IMAGE_RIP] = pc;
	o.regs[IMAGE_RSP] = STACK;
	o.regs[IMAGE_RCX] = 1;
	return o;
}

static int setup(void **state)
{
	(void)state;
	all = xcalloc(1, sizeof(*all));
	all->tables_addr = TABLES;
	all->n_regions = all->n_windows = 1;
	all->windows[0] = WINDOW;
	all->regions[0] = (struct trail){ .addr = REGION,
					  .layout = { COLD, STUBS, 0x18000,
						      0x19000 },
					  .hot = hot,
					  .stubs = stubs,
					  .n_hot = ARRAY_SIZE(hot),
					  .n_stubs = 1 };
	memset(code, 0x90, sizeof(code));
	memset(stack, 0, sizeof(stack));
	life = LIFELINE_DEAD;
	window[WIN_RCX / 8] = 2;
	window[WIN_STUB_RCX / 8] = 3;
	window[WIN_GS / 8] = PROGRAMS_GS;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(all);
	return 0;
}

static void expect(struct orphan o, uint64_t pc, uint64_t rcx, uint64_t undo)
{
	assert_true(orphan_ops.rewind(all, &o));
	assert_int_equal(o.regs[IMAGE_RIP], pc);
	assert_int_equal(o.regs[IMAGE_RCX], rcx);
	assert_int_equal(o.regs[IMAGE_RSP], STACK + undo);
	assert_int_equal(o.gs_base, PROGRAMS_GS);
}

static void test_mark(void **state)
{
	(void)state;
	expect(orphan_at(REGION), PC, 1, 0);
	expect(orphan_at(REGION + 8), PC + 4, 2, 8);
}

/* Within a run boundaries are as far apart as in the original; a trap's byte
 * there is the end of an instruction, and no block that was dropped. */
static void test_run(void **state)
{
	(void)state;
	hot[0].run = true;
	expect(orphan_at(REGION + 3), PC + 3, 1, 0);
	code[3] = 0xcc;
	expect(orphan_at(REGION + 4), PC + 4, 1, 0);
	expect(orphan_at(REGION + 8), PC + 4, 2, 8);
	hot[0].run = false;
}

/* At each end of it, and in the circle that all stubs have in common. */
static void test_stub(void **state)
{
	(void)state;
	expect(orphan_at(REGION + STUBS), PC + 9, 1, 0);
	expect(orphan_at(REGION + STUBS + 12), PC + 9, 1, 0);
	expect(orphan_at(REGION + COLD), PC + 9, 1, 0);
	expect(orphan_at(REGION + COLD + 22), PC + 9, 3, 0);
}

/* Where its signal stops the thread. */
static void test_stopped(void **state)
{
	struct orphan o = orphan_at(REGION + COLD + STOPPED_AT);

	(void)state;
	window[WIN_STUB_RAX / 8] = 10;
	window[WIN_STUB_RDI / 8] = 11;
	window[WIN_STUB_RSI / 8] = 12;
	window[WIN_STUB_R11 / 8] = 13;
	assert_true(orphan_ops.is_stop(all, o.regs[IMAGE_RIP]));
	assert_true(orphan_ops.rewind(all, &o));
	assert_true(o.in_call);
	assert_int_equal(o.regs[IMAGE_RIP], PC + 9);
	assert_int_equal(o.regs[IMAGE_RCX], 3);
	assert_int_equal(o.regs[IMAGE_RAX], 10);
	assert_int_equal(o.regs[IMAGE_RDI], 11);
	assert_int_equal(o.regs[IMAGE_RSI], 12);
	assert_int_equal(o.regs[11], 13);
	o = orphan_at(REGION + COLD);
	assert_false(orphan_ops.is_stop(all, o.regs[IMAGE_RIP]));
	assert_true(orphan_ops.rewind(all, &o));
	assert_false(o.in_call);
}

/* The program may have written anything there. */
static void test_no_such_stub(void **state)
{
	struct orphan o = orphan_at(REGION + COLD + STOPPED_AT);

	(void)state;
	window[WIN_STUB / 8] = 1;
	assert_true(orphan_ops.rewind(all, &o));
	assert_int_equal(o.regs[IMAGE_RIP], REGION + COLD + STOPPED_AT);
	assert_int_equal(o.gs_base, PROGRAMS_GS);
	window[WIN_STUB / 8] = 0;
}

static void test_dropped_block(void **state)
{
	(void)state;
	hot[0].rewind = REWIND_RCX;
	code[0] = 0xcc;
	expect(orphan_at(REGION + 1), PC, 2, 0);
	hot[0].rewind = 0;
}

static void test_selector(void **state)
{
	struct orphan o = orphan_at(REGION);

	(void)state;
	assert_true(orphan_ops.rewind(all, &o));
	assert_int_equal(o.gs, 0);
	o = orphan_at(REGION);
	window[WIN_STUB / 8] = UINT64_C(0x2b) << 32;
	expect(o, PC, 1, 0);
	assert_true(orphan_ops.rewind(all, &o));
	assert_int_equal(o.gs, 0x2b);
	window[WIN_STUB / 8] = 0;
}

/* In a handler, which has called something. */
static void test_frame(void **state)
{
	uint64_t *sigcontext = stack + 20;
	struct orphan o = orphan_at(0x402000);

	(void)state;
	stack[3] = REGION; /* only looks like one */
	sigcontext[14] = 1;
	sigcontext[15] = STACK + 400;
	sigcontext[16] = REGION + 8;
	sigcontext[17] = 0x202;
	sigcontext[18] = UINT64_C(0x2b) << 48 | 0x33;
	assert_true(orphan_ops.rewind(all, &o));
	assert_int_equal(o.regs[IMAGE_RIP], 0x402000);
	assert_int_equal(o.gs_base, PROGRAMS_GS);
	assert_int_equal(sigcontext[14], 2);
	assert_int_equal(sigcontext[15], STACK + 408);
	assert_int_equal(sigcontext[16], PC + 4);
	assert_int_equal(stack[3], REGION);
}

static void test_others(void **state)
{
	struct orphan o = orphan_at(REGION);

	(void)state;
	o.gs_base = 0;
	assert_false(orphan_ops.rewind(all, &o));
	o.gs_base = WINDOW;
	life = 1234; /* another program's memory, by now */
	assert_false(orphan_ops.rewind(all, &o));
	assert_int_equal(o.regs[IMAGE_RIP], REGION);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mark),	  TEST(test_run),
		TEST(test_stub),	  TEST(test_dropped_block),
		TEST(test_stopped),	  TEST(test_no_such_stub),
		TEST(test_frame),	  TEST(test_others),
		TEST(test_selector),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
