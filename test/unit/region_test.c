/* A region in which there is room for three stubs, and no debuggee. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "translate/block.h"
#include "translate/layer.h"

#define PC   UINT64_C(0x401000)
#define AT   UINT64_C(0x10000000)
#define DATA (8192 + 3 * STUB_BYTES)

static uint8_t memory[16384];
static struct stub stubs[3];
static struct translator tr;
static struct trail trail;
static struct region rg;
static struct space sp;

static int setup(void **state)
{
	(void)state;
	memset(memory, 0x90, sizeof(memory));
	memset(&tr, 0, sizeof(tr));
	memset(&sp, 0, sizeof(sp));
	trail = (struct trail){ .addr = AT,
				.layout = { 4096, 8192, DATA, 16384 },
				.stubs = stubs };
	rg = (struct region){ .stats = &tr.stats,
			      .addr = AT,
			      .map = memory,
			      .trail = &trail,
			      .n_blocks = 1,
			      .n_published = 1,
			      .n_sites = 1 };
	sp.tr = &tr;
	sp.regions[0] = &rg;
	sp.n_regions = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	map_fini(&rg.exits);
	index_fini(&sp.index);
	map_fini(&sp.pages);
	free(rg.blocks);
	free(rg.sites);
	return 0;
}

static void test_exits(void **state)
{
	uint32_t first = region_exit(&rg, PC, SLOW_JMP_IMM);

	(void)state;
	assert_int_equal(first, 8192);
	assert_int_equal(region_exit(&rg, PC + 1, SLOW_JMP_IMM),
			 8192 + STUB_BYTES);
	assert_true(region_has_stubs(&rg, 1));
	assert_false(region_has_stubs(&rg, 2));
	assert_int_not_equal(region_exit(&rg, PC + 2, SLOW_JMP_IMM), 0);
	assert_false(region_has_stubs(&rg, 1));
	assert_int_equal(region_exit(&rg, PC + 3, SLOW_JMP_IMM), 0);
	assert_int_equal(region_exit(&rg, PC, SLOW_JMP_IMM), first);
	assert_int_equal(memory[DATA], 0x90);
	assert_int_equal(tr.stats.stub_bytes, 3 * STUB_BYTES);
}

/* Where a site leads. */
static uint64_t literal(uint32_t at)
{
	uint64_t v;

	memcpy(&v, memory + at, sizeof(v));
	return v;
}

static struct block *add_block(void)
{
	uint32_t ref = block_add(&sp, &rg, PC, true);

	block_close(&sp, ref, 4);
	return block_at(&sp, ref);
}

static void test_drop(void **state)
{
	struct block *b = add_block();

	(void)state;
	site_aim(&sp, &rg, DATA + 16, SITE_LITERAL, PC, SLOW_JMP_IMM);
	assert_int_equal(literal(DATA + 16), AT);
	block_drop(&sp, b);
	assert_int_equal(literal(DATA + 16), AT + 8192);
	assert_int_equal(b->sites, 0);
	assert_false(rg.worn);
	assert_int_equal(memory[0], 0xcc);
}

/* What leads to it leads to its trap, until there is room elsewhere. */
static void test_drop_without_room(void **state)
{
	struct block *b = add_block();
	uint32_t left;

	(void)state;
	site_aim(&sp, &rg, DATA + 16, SITE_LITERAL, PC, SLOW_JMP_IMM);
	site_aim(&sp, &rg, DATA + 24, SITE_LITERAL, PC, SLOW_JMP_IMM);
	for (unsigned n = 1; region_has_stubs(&rg, 1); n++)
		region_exit(&rg, PC + n, SLOW_JMP_IMM);
	block_drop(&sp, b);
	assert_true(rg.worn && sp.worn);
	assert_null(block_find(&sp, PC));
	assert_int_equal(memory[0], 0xcc);
	assert_int_equal(literal(DATA + 16), AT);
	assert_int_equal(literal(DATA + 24), AT);
	left = b->sites;
	assert_int_not_equal(left, 0);
	add_block()->entry = 64;
	sites_move(&sp, &left, PC);
	assert_int_equal(left, 0);
	assert_int_equal(literal(DATA + 16), AT + 64);
	assert_int_equal(literal(DATA + 24), AT + 64);
}

/* With a test at its entry, that could lead past it. */
static void test_drop_of_a_gate(void **state)
{
	struct block *b = add_block();

	(void)state;
	b->flag_at = 8;
	b->away_at = 16;
	for (unsigned n = 1; region_has_stubs(&rg, 1); n++)
		region_exit(&rg, PC + n, SLOW_JMP_IMM);
	block_drop(&sp, b);
	assert_int_equal(memory[0], 0xcc);
	assert_int_equal(memory[8], 0x90);
	assert_int_equal(memory[16], 0x90);
}

static void test_forgotten(void **state)
{
	struct block *b = add_block();

	(void)state;
	site_aim(&sp, &rg, DATA + 16, SITE_LITERAL, PC, SLOW_JMP_IMM);
	sites_forget(&sp, &b->sites, &rg);
	assert_int_equal(b->sites, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exits),
		TEST(test_drop),
		TEST(test_drop_without_room),
		TEST(test_drop_of_a_gate),
		TEST(test_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
