/*
 * What is told of trace files that are whole, that were cut off anywhere, or
 * that are of another version.
 */
#include "test/unit/tracefile-made.h"

/* --- files that are whole ------------------------------------------------- */

static void paths_are_told_in_order(void **state)
{
	static const uint64_t want[] = { 0x10, 0x20, 0x20, 0x10,
					 0x20, 0x20, 0x20 };
	const struct result *r;
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 1), 0, MISS(1, 2), 0, MISS(2, 1), 0,
	      MISS(1, 2), 0, MISS(2, 2));
	FRAME(&f, FRAME_END, 5, 0);
	r = read_file(&f);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->lost, 0);
	assert_int_equal(r->told.n, ARRAY_SIZE(want));
	assert_memory_equal(r->told.offsets, want, sizeof(want));
	assert_int_equal(r->told.ends, 1);
}

static void hits_are_what_came_the_last_time(void **state)
{
	const struct result *r;
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 2), 0, MISS(2, 2), 0, MISS(2, 2));
	FRAME(&f, FRAME_PATH, 5, 1000);
	r = read_file(&f);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->told.n, 1003);
	assert_int_equal(r->told.offsets[1002], 0x20);
	assert_int_equal(r->told.ends, 1);
}

static void escapes_are_told(void **state)
{
	const struct result *r;
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	FRAME(&f, FRAME_PATH, 5, 0, 0, ESCAPE_TIME, zigzag(500), 0, MISS(0, 2),
	      0, 0, ESCAPE_CUT, 1, 0, 0, ESCAPE_LOST, 0, MISS(2, 1));
	FRAME(&f, FRAME_KILLED, 0, PID, TID, 11, 1, 0x401000);
	r = read_file(&f);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->told.until, 500);
	assert_int_equal(r->told.cuts, 1);
	assert_int_equal(r->told.losses, 1);
	assert_int_equal(r->told.deaths, 1);
	assert_int_equal(r->told.n, 3);
}

static void kinds_of_later_versions_are_left_out(void **state)
{
	const struct result *r;
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	put_bytes(&f, 77, 3, "whatever", 8);
	FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 2));
	r = read_file(&f);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->told.n, 1);
}

static void an_id_that_is_had_again_is_another_thread(void **state)
{
	const struct result *r;
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 2));
	FRAME(&f, FRAME_THREAD, 6, 1, PID, TID);
	FRAME(&f, FRAME_PATH, 6, 0, MISS(0, 1));
	r = read_file(&f);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->told.n, 3);
	assert_int_equal(r->told.ends, 2);
	/* ... and the number of the one before is nobody's */
	put_names(&f);
	FRAME(&f, FRAME_THREAD, 6, 1, PID, TID);
	FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 2));
	is_refused(&f, "a path is of no way", 0);
}

/* --- files that were cut off ---------------------------------------------- */

static size_t frame_length(const char *at)
{
	struct frame_head h;

	memcpy(&h, at, sizeof(h));
	return sizeof(h) + h.stored;
}

static void all_is_read_up_to_where_it_is_cut_off(void **state)
{
	size_t whole = sizeof(struct tracefile_head), told = 0;
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	for (int i = 0; i < 4; i++)
		FRAME(&f, FRAME_PATH, 5, 0, MISS(2 * !!i, 2));
	for (size_t n = whole; n <= f.len; n++) {
		const struct result *r = read_bytes(f.data, n);

		if (n - whole >= sizeof(struct frame_head) &&
		    n - whole == frame_length(f.data + whole))
			whole = n;
		assert_int_equal(r->err, 0);
		assert_int_equal(r->lost, n - whole);
		assert_true(r->told.n == told || r->told.n == told + 1);
		told = r->told.n;
	}
	assert_int_equal(whole, f.len);
	assert_int_equal(told, 4);
	buf_fini(&f);
}

static void a_head_that_is_cut_off_is_none(void **state)
{
	struct buf f = { 0 };

	(void)state;
	put_head(&f, TRACEFILE_VERSION);
	f.len--;
	is_refused(&f, "it is cut off within its head", 0);
	put_head(&f, TRACEFILE_VERSION);
	f.len = 15;
	is_refused(&f, "this is neither a trace file nor drcov", 0);
	buf_puts(&f, "tracestub trade\n and more that is none");
	is_refused(&f, "this is neither a trace file nor drcov", 0);
}

static void other_versions_are_refused(void **state)
{
	struct buf f = { 0 };

	(void)state;
	put_head(&f, 1);
	is_refused(&f, "its version is 1, not 2", 0);
	put_head(&f, UINT32_MAX);
	is_refused(&f, "its version is 4294967295, not 2", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_told_in_order),
		cmocka_unit_test(hits_are_what_came_the_last_time),
		cmocka_unit_test(escapes_are_told),
		cmocka_unit_test(kinds_of_later_versions_are_left_out),
		cmocka_unit_test(an_id_that_is_had_again_is_another_thread),
		cmocka_unit_test(all_is_read_up_to_where_it_is_cut_off),
		cmocka_unit_test(a_head_that_is_cut_off_is_none),
		cmocka_unit_test(other_versions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
