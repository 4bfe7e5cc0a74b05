/*
 * drcov files as others write them, and damaged ones: refused with a reason,
 * and the blocks before the damage have been told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "trace/reader.h"

#define ROW "  0, 0x400000, 0x402000, 0, 0, 0, /none\n"

static void put_head(struct buf *f, unsigned version, const char *table,
		     const char *rows)
{
	buf_printf(f, "DRCOV VERSION: %u\nDRCOV FLAVOR: drcov\n", version);
	buf_printf(f, "Module Table: %s\nColumns: whatever\n%s", table, rows);
}

static void put_block(struct buf *f, uint32_t offset, uint16_t size,
		      uint16_t module)
{
	buf_put(f, &offset, sizeof(offset));
	buf_put(f, &size, sizeof(size));
	buf_put(f, &module, sizeof(module));
}

struct told {
	struct story *story;
	size_t n;
	uint64_t begin[8];
	uint32_t bytes[8];
	struct err e;
	int err;
};

static void see_path(void *user, struct story_thread *th,
		     const uint32_t *blocks, size_t n)
{
	struct told *t = user;

	(void)th;
	for (size_t i = 0; i < n && t->n < 8; i++, t->n++) {
		t->begin[t->n] = t->story->blocks[blocks[i]].begin;
		t->bytes[t->n] = t->story->blocks[blocks[i]].bytes;
	}
}

/* The bytes lie in memory of their own, for sanitizers to see. */
static const struct told *read_file(struct buf *f)
{
	static struct told t;
	char *copy = memcpy(xmalloc(f->len + 1), f->data, f->len);
	uint64_t lost;

	t = (struct told){ .story = story_new() };
	story_add_sink(t.story,
		       &(struct story_sink){ .path = see_path, .user = &t });
	t.err = story_read_bytes(t.story, copy, f->len, &lost, &t.e);
	assert_int_equal(lost, 0);
	assert_int_equal(t.story->threads.count, 0);
	story_free(t.story);
	free(copy);
	buf_fini(f);
	return &t;
}

static void is_refused(struct buf *f, const char *why, size_t blocks)
{
	const struct told *t = read_file(f);

	assert_int_equal(t->err, -EINVAL);
	assert_string_equal(t->e.text, why);
	assert_int_equal(t->n, blocks);
}

#define OBJECT(n) ((uint64_t)(n) << PLACE_SHIFT)

static void blocks_are_binary_or_text(void **state)
{
	const struct told *t;
	struct buf f = { 0 };

	(void)state;
	put_head(&f, 2, "version 2, count 1", ROW);
	buf_puts(&f, "BB Table: 3 bbs\n");
	put_block(&f, 0x1000, 7, 0);
	put_block(&f, 0x1234, 9, 1); /* of no module: left out */
	put_block(&f, 0x1010, UINT16_MAX, 0);
	t = read_file(&f);
	assert_int_equal(t->err, 0);
	assert_int_equal(t->n, 2);
	assert_true(t->begin[0] == (OBJECT(1) | 0x1000));
	assert_int_equal(t->bytes[1], UINT16_MAX);
	put_head(&f, 2, "version 2, count 1", ROW);
	buf_puts(&f, "BB Table: 2 bbs\nmodule id, start, size:\n"
		     "module[  0]: 0x1000,   7\nmodule[  0]: 0x1010, 9\n");
	t = read_file(&f);
	assert_int_equal(t->err, 0);
	assert_int_equal(t->n, 2);
	assert_true(t->begin[1] == (OBJECT(1) | 0x1010));
}

/* Segments of one file are one module, from version 3 of the table on; offsets
 * count from the segment in version 3 of the file. */
static void segments_are_one_module(void **state)
{
	const struct told *t;

	(void)state;
	for (unsigned version = 2; version <= 3; version++) {
		struct buf f = { 0 };

		put_head(&f, version, "version 5, count 2",
			 "0, 0, 0x400000, 0x401000, 0, 0, 0, 0, /none\n"
			 "1, 0, 0x401000, 0x402000, 0, 0, 0, 0, /none\n");
		buf_puts(&f, "BB Table: 1 bbs\n");
		put_block(&f, 0x10, 7, 1);
		t = read_file(&f);
		assert_int_equal(t->err, 0);
		assert_true(t->begin[0] ==
			    (OBJECT(1) | (version == 2 ? 0x10 : 0x1010)));
	}
}

static void other_versions_are_refused(void **state)
{
	static const char version[] = "drcov: its version is neither 2 nor 3";
	static const char table[] =
		"drcov: its module table is none that is known";
	struct buf f = { 0 };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		if (i != 2 && i != 3) {
			put_head(&f, i, "version 2, count 1", ROW);
			is_refused(&f, version, 0);
		}
	}
	buf_puts(&f, "DRCOV VERSION: two\n");
	is_refused(&f, version, 0);
	put_head(&f, 2, "version 1, count 1", ROW);
	is_refused(&f, table, 0);
	put_head(&f, 2, "1", ROW);
	is_refused(&f, table, 0);
	put_head(&f, 2, "version 2, count 4294967295", ROW);
	is_refused(&f, table, 0);
}

static void modules_that_are_none_are_refused(void **state)
{
	static const char *const none[] = {
		"",
		"0, 0x400000, 0x402000, 0, 0, 0, /none", /* no line */
		"0, 0x402000, 0x400000, 0, 0, 0, /none\n",
		"0, 400000, 402000, 0, 0, 0, /none\n",
		"0 0x400000 0x402000 0 0 0 /none\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct buf f = { 0 };

		put_head(&f, 2, "version 2, count 1", none[i]);
		is_refused(&f, "drcov: a module is none", 0);
	}
}

static void modules_have_one_before_them_as_theirs(void **state)
{
	struct buf f = { 0 };

	(void)state;
	put_head(&f, 2, "version 3, count 2",
		 "0, 0, 0x400000, 0x401000, 0, 0, 0, 0, /none\n"
		 "1, 0, 0x300000, 0x301000, 0, 0, 0, 0, /none\n");
	is_refused(&f, "drcov: a module is none", 0);
}

static void a_file_that_ends_too_soon_is_refused(void **state)
{
	static const char why[] = "drcov: blocks are missing";
	struct buf whole = { 0 };
	size_t table;

	(void)state;
	put_head(&whole, 2, "version 2, count 1", ROW);
	buf_puts(&whole, "BB Table: 2 bbs\n");
	table = whole.len;
	put_block(&whole, 0x1000, 7, 0);
	put_block(&whole, 0x1010, 7, 0);
	for (size_t n = 1; n < whole.len; n++) {
		struct buf f = { 0 };

		buf_put(&f, whole.data, n);
		if (n >= table)
			is_refused(&f, why, (n - table) / 8);
		else
			assert_int_equal(read_file(&f)->err, -EINVAL);
	}
	buf_fini(&whole);
}

static void counts_that_are_none_are_refused(void **state)
{
	static const char table[] = "drcov: there is no table of blocks";
	struct buf f = { 0 };

	(void)state;
	put_head(&f, 2, "version 2, count 1", ROW);
	buf_puts(&f, "BB Table: 4294967295 bbs\n");
	put_block(&f, 0x1000, 7, 0);
	is_refused(&f, "drcov: blocks are missing", 1);
	put_head(&f, 2, "version 2, count 1", ROW);
	buf_puts(&f, "BB Table: many bbs\n");
	is_refused(&f, table, 0);
	put_head(&f, 2, "version 2, count 0", ROW);
	is_refused(&f, table, 0);
}

static void blocks_that_are_none_are_refused(void **state)
{
	static const char *const none[] = {
		"module[0]: 0x10\n", "module[0]: 0x10, 65536\n",
		"module[0]: 0x10, 7", /* no line */
	};
	struct buf f = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		put_head(&f, 2, "version 2, count 1", ROW);
		buf_printf(&f,
			   "BB Table: 2 bbs\nmodule id, start, size:\n"
			   "module[0]: 0x1000, 7\n%s",
			   none[i]);
		is_refused(&f, "drcov: a block is none", 1);
	}
	put_head(&f, 3, "version 3, count 2",
		 "0, 0, 0x400000, 0x401000, 0, 0, 0, 0, /none\n"
		 "1, 0, 0xffffffffff000, 0xfffffffffffff, 0, 0, 0, 0, /none\n");
	buf_puts(&f, "BB Table: 1 bbs\n");
	put_block(&f, 0x1000, 7, 1);
	is_refused(&f, "drcov: a block is none", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_binary_or_text),
		cmocka_unit_test(segments_are_one_module),
		cmocka_unit_test(other_versions_are_refused),
		cmocka_unit_test(modules_that_are_none_are_refused),
		cmocka_unit_test(modules_have_one_before_them_as_theirs),
		cmocka_unit_test(a_file_that_ends_too_soon_is_refused),
		cmocka_unit_test(counts_that_are_none_are_refused),
		cmocka_unit_test(blocks_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
