/* base/: buffers, hex digits, maps, lists, errors, the log's areas. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/library.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/ptid.h"

static void buf_grows(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "%d,", i);
	assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4 + 4000 * 5);
	assert_memory_equal(b.data + b.len - 5, "4999,", 5);
	buf_reset(&b);
	buf_puts(&b, "ab");
	buf_putc(&b, 0);
	buf_put_hex(&b, "\x00\xff", 2);
	buf_put_hex_str(&b, "Az");
	assert_int_equal(b.len, 11);
	assert_memory_equal(buf_str(&b),
			    "ab\0"
			    "00ff417a",
			    12);
	buf_fini(&b);
}

static void numbers_as_printf(void **state)
{
	static const uint64_t v[] = {
		0, 1, 0xf, 0x10, 0xabc, 0xffffffff, UINT64_MAX, 1ull << 63
	};
	struct buf b = { 0 };
	char text[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		buf_reset(&b);
		buf_put_num(&b, v[i]);
		snprintf(text, sizeof(text), "%" PRIx64, v[i]);
		assert_string_equal(buf_str(&b), text);
	}
	buf_fini(&b);
}

static void hex_round_trip(void **state)
{
	uint8_t all[256], back[256];
	char text[512];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	hex_encode(text, all, sizeof(all));
	assert_memory_equal(text, "000102", 6);
	assert_memory_equal(text + 506, "fdfeff", 6);
	assert_true(hex_decode(back, text, sizeof(back)));
	assert_memory_equal(all, back, sizeof(all));
	assert_true(hex_decode(back, "aBFf", 2));
	assert_memory_equal(back, "\xab\xff", 2);
	for (int c = 0; c < 256; c++) {
		char pair[2] = { '0', (char)c };
		char *end, one[2] = { (char)c, 0 };
		bool digit = c && strchr("0123456789abcdefABCDEF", c);

		assert_int_equal(hex_decode(back, pair, 1), digit);
		assert_int_equal(hex_digit((char)c),
				 digit ? strtol(one, &end, 16) : -1);
	}
}

static void map_against_array(void **state)
{
	static void *model[4096];
	struct map m = { 0 };
	unsigned seed = 1;
	size_t count = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		/* keys that collide: multiples of a large power of two */
		unsigned k = (unsigned)rand_r(&seed) % 4096;
		uint64_t key = (uint64_t)(k + 1) << (k % 3 ? 0 : 32);
		void *v = model + rand_r(&seed) % 4096;

		assert_ptr_equal(map_find(&m, key), model[k]);
		if (rand_r(&seed) % 2) {
			count += !model[k];
			map_set(&m, key, v);
			model[k] = v;
		} else {
			count -= model[k] != NULL;
			assert_ptr_equal(map_drop(&m, key), model[k]);
			model[k] = NULL;
		}
		assert_int_equal(m.count, count);
	}
	map_fini(&m);
}

/* From what malloc(3) has to huge pages. */
static void tables_grow(void **state)
{
	uint32_t *all = NULL, cap = 0;
	struct map m = { 0 };
	size_t mask;

	(void)state;
	map_reserve(&m, 100000);
	mask = m.mask;
	for (uint32_t i = 0; i < 100000; i++) {
		GROW_TABLE(all, i, cap, 16);
		all[i] = i * 7;
		map_set(&m, i + 1, all);
	}
	assert_int_equal(m.mask, mask);
	assert_int_equal(m.count, 100000);
	for (uint32_t i = 0; i < 100000; i++)
		assert_int_equal(all[i], i * 7);
	table_free(all, cap * sizeof(*all));
	map_fini(&m);
	all = table_alloc(1 << 20);
	for (size_t i = 0; i < (1 << 20) / sizeof(*all); i++)
		assert_int_equal(all[i], 0);
	table_free(all, 1 << 20);
}

struct item {
	int v;
	struct list node;
};

static void lists_keep_order(void **state)
{
	struct item items[5], *i, *tmp;
	struct list head;
	int want = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int n = 0; n < 5; n++) {
		items[n].v = n;
		list_add(&head, &items[n].node);
	}
	list_each(i, &head, node)
		assert_int_equal(i->v, want++);
	assert_int_equal(want, 5);
	list_each_safe(i, tmp, &head, node) {
		if (i->v % 2)
			list_drop(&i->node);
	}
	list_drop(&items[1].node);
	want = 0;
	list_each(i, &head, node) {
		assert_int_equal(i->v, want);
		want += 2;
	}
	assert_int_equal(want, 6);
}

static void errors_keep_the_code(void **state)
{
	struct err e;
	char longer[2 * sizeof(e.text)];

	(void)state;
	assert_int_equal(err_set(&e, -ENOENT, "no %s here", "x"), -ENOENT);
	assert_string_equal(e.text, "no x here");
	assert_int_equal(err_set(NULL, -EIO, "unheard"), -EIO);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	err_set(&e, -EIO, "%s", longer);
	assert_true(strlen(e.text) < sizeof(e.text));
}

static void files_whole_and_in_part(void **state)
{
	char start[5] = "....";
	struct buf b = { 0 };

	(void)state;
	buf_printf(&b, "kept");
	assert_int_equal(file_read(&b, 16, "/proc/%s/comm", "self"), 10);
	assert_string_equal(buf_str(&b), "keptbase_test\n");
	assert_int_equal(file_read(&b, 16, "/proc/none"), -ENOENT);
	assert_int_equal(b.len, 14);
	buf_fini(&b);
	assert_int_equal(file_peek(start, sizeof(start), "/proc/none"),
			 -ENOENT);
	assert_string_equal(start, "....");
	assert_int_equal(file_peek(start, sizeof(start), "/proc/%s/comm",
				   "self"), 4);
	assert_string_equal(start, "base");
	assert_int_equal(file_peek(start, sizeof(start), "/proc/self/mem"),
			 -EIO);
	assert_string_equal(start, "base");
}

static void log_areas_by_name(void **state)
{
	(void)state;
	assert_int_equal(log_select("remote,event"), 0);
	assert_int_equal(log_mask, 1u << LOG_REMOTE | 1u << LOG_EVENT);
	assert_int_equal(log_select("nonsense"), -EINVAL);
	assert_int_equal(log_mask, 1u << LOG_REMOTE | 1u << LOG_EVENT);
	assert_int_equal(log_select("-event"), 0);
	assert_int_equal(log_mask, 1u << LOG_REMOTE);
	assert_int_equal(log_select("all"), 0);
	assert_int_equal(log_mask, (1u << LOG_N_AREAS) - 1);
	assert_int_equal(log_select("none"), 0);
	assert_int_equal(log_mask, 0);
}

static void patterns_cover_threads(void **state)
{
	struct ptid id = { 5, 7 };

	(void)state;
	assert_true(ptid_matches((struct ptid){ -1, -1 }, id));
	assert_true(ptid_matches((struct ptid){ 0, 0 }, id));
	assert_true(ptid_matches((struct ptid){ 5, -1 }, id));
	assert_true(ptid_matches((struct ptid){ 5, 7 }, id));
	assert_false(ptid_matches((struct ptid){ 5, 8 }, id));
	assert_false(ptid_matches((struct ptid){ 6, -1 }, id));
	assert_false(ptid_equal(id, (struct ptid){ 5, -1 }));
}

static void libraries_when_wanted(void **state)
{
	double (*root)(double) = NULL;
	const struct library_function all[] = { { "cbrt", &root },
						{ "no_such_function", &root } };

	(void)state;
	assert_false(library_load("libno-such.so.0", all, 1));
	assert_false(library_load("libm.so.6", all, 2));
	assert_true(library_load("libm.so.6", all, 1));
	assert_true(root(0) == 0 && root(8) > 1.9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_grows),
		cmocka_unit_test(numbers_as_printf),
		cmocka_unit_test(hex_round_trip),
		cmocka_unit_test(map_against_array),
		cmocka_unit_test(tables_grow),
		cmocka_unit_test(lists_keep_order),
		cmocka_unit_test(errors_keep_the_code),
		cmocka_unit_test(files_whole_and_in_part),
		cmocka_unit_test(log_areas_by_name),
		cmocka_unit_test(patterns_cover_threads),
		cmocka_unit_test(libraries_when_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
