/*
 * Trace files that are damaged: each is refused with its reason, and what was
 * before the damage has been told.
 */
#include "test/unit/tracefile-made.h"
#include "trace/lazy.h"

/* --- sizes and compression ------------------------------------------------ */

static void put_sized(struct buf *f, uint32_t stored, uint32_t raw)
{
	struct frame_head h = {
		.kind = FRAME_PATH, .stored = stored, .raw = raw, .thread = 5
	};

	put_names(f);
	FRAME(f, FRAME_PATH, 5, 0, MISS(0, 2));
	buf_put(f, &h, sizeof(h));
	buf_puts(f, "no zstd frame has such bytes");
}

static void sizes_that_no_frame_has_are_refused(void **state)
{
	struct buf f = { 0 };

	(void)state;
	put_sized(&f, UINT32_MAX, 0);
	is_refused(&f, "a frame is too long", 1);
	put_sized(&f, 4, UINT32_MAX);
	is_refused(&f, "a frame is too long", 1);
	put_sized(&f, FRAME_MAX + 1, 0);
	is_refused(&f, "a frame is too long", 1);
}

static void what_is_no_zstd_is_refused(void **state)
{
	struct buf f = { 0 };

	(void)state;
	put_sized(&f, 28, 100);
	is_refused(&f, "a frame cannot be decompressed", 1);
	put_sized(&f, 0, 100);
	is_refused(&f, "a frame cannot be decompressed", 1);
}

/* A path of 64 ways as a compressed frame whose head says raw bytes, and of
 * which the last `cut` bytes are missing. */
static void put_packed(struct buf *f, uint32_t raw, size_t cut)
{
	const struct zstd *z = zstd();
	struct frame_head h = { .kind = FRAME_PATH, .raw = raw, .thread = 5 };
	uint8_t path[128], packed[256];
	ZSTD_CCtx *context;

	for (size_t i = 0; i < sizeof(path); i += 2) {
		path[i] = 0;
		path[i + 1] = (uint8_t)MISS(i ? 2 : 0, 2);
	}
	context = z->ZSTD_createCCtx();
	h.stored =
		(uint32_t)(z->ZSTD_compressCCtx(context, packed, sizeof(packed),
						path, sizeof(path), 1) -
			   cut);
	z->ZSTD_freeCCtx(context);
	put_names(f);
	buf_put(f, &h, sizeof(h));
	buf_put(f, packed, h.stored);
}

static void compressed_frames_are_as_long_as_they_say(void **state)
{
	const struct result *r;
	struct buf f = { 0 };

	(void)state;
	if (!zstd())
		skip();
	put_packed(&f, 128, 0);
	r = read_file(&f);
	assert_int_equal(r->err, 0);
	assert_int_equal(r->told.n, 64);
	for (uint32_t raw = 127; raw <= 129; raw += 2) {
		put_packed(&f, raw, 0);
		is_refused(&f, "a frame cannot be decompressed", 0);
	}
	for (size_t cut = 1; cut < 8; cut++) {
		put_packed(&f, 128, cut);
		is_refused(&f, "a frame cannot be decompressed", 0);
	}
}

/* --- frames that are damaged ---------------------------------------------- */

#define MOST ((long long)(UINT64_MAX - 1)) /* -1 is the end of the numbers */

static void blocks_that_are_none_are_refused(void **state)
{
	static const long long none[][9] = {
		{ 2, 0, 0, 4, 2, 0, LAST },	 /* no such object */
		{ 1, 0, 5, 4, 2, 0, LAST },	 /* its last is behind */
		{ 1, 0, 0, 4, 5, 0, LAST },	 /* instructions */
		{ 1, 0, 0, 4, 2, N_ENDS, LAST }, /* its end */
		{ 1, 0, 0, 65536, 2, 0, LAST },	 /* bytes */
		{ 1, 0, 0, MOST, 2, 0, LAST },	 /* ... overflow */
		{ 1, MOST, 0, 4, 2, 0, LAST },	 /* its place */
		{ 1, PLACE_OFFSET - 3, 0, 4, 2, 0, LAST }, /* its end's place */
		{ 1, 0, 0, 4, 2, LAST },		   /* cut off */
		{ 0, 0, 0, 4, 2, 0, LAST },		   /* ... its image */
		{ 0, 0, 0, 4, 2, 0, MOST, 0, LAST },	   /* such an image */
		{ 0, 0, 0, 4, 2, 0, 1, 1, LAST },	   /* its code */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct buf f = { 0 };

		put_names(&f);
		FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 2));
		put_frame(&f, FRAME_BLOCKS, 0, none[i]);
		is_refused(&f, "a block is none", 1);
	}
}

static void ways_that_are_none_are_refused(void **state)
{
	static const long long none[][5] = {
		{ 0, LAST },	      /* of no block */
		{ 257, 2, LAST },     /* of too many */
		{ MOST, 2, LAST },    /* ... */
		{ 1, 6, LAST },	      /* block 3 */
		{ 1, 1, LAST },	      /* block -1 */
		{ 2, 2, MOST, LAST }, /* far off */
		{ 2, 2, LAST },	      /* cut off */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct buf f = { 0 };

		put_names(&f);
		put_frame(&f, FRAME_WAYS, 0, none[i]);
		is_refused(&f, "a way is none", 0);
	}
}

static void paths_that_are_none_are_refused(void **state)
{
	static const long long none[][6] = {
		{ 1, LAST },			   /* nothing is foreseen */
		{ 0, 1 + 6, LAST },		   /* way 3 */
		{ 0, 1 + 1, LAST },		   /* way -1 */
		{ 0, 0, 3, LAST },		   /* no such escape */
		{ 0, 0, ESCAPE_TIME, LAST },	   /* cut off */
		{ 0, 0, ESCAPE_CUT, 65536, LAST }, /* instructions */
		{ MOST, LAST },			   /* hits */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct buf f = { 0 };

		put_names(&f);
		put_frame(&f, FRAME_PATH, 5, none[i]);
		is_refused(&f, "a path is of no way", 0);
	}
}

/* Which would all be foreseen, and take years. */
static void hits_without_an_end_are_refused(void **state)
{
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 2), 0, MISS(2, 2), 0, MISS(2, 2),
	      1LL << 60);
	is_refused(&f, "a path is of no way", 3);
}

static void times_that_overflow_are_refused(void **state)
{
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	FRAME(&f, FRAME_PATH, 5, 0, 0, ESCAPE_TIME, MOST, 0, 0, ESCAPE_TIME,
	      MOST, 0, MISS(0, 2));
	is_refused(&f, "a path is of no way", 0);
}

static void numbers_that_never_end_are_refused(void **state)
{
	static const uint8_t ones[11] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 0xff, 0xff, 0xff };
	struct buf f = { 0 };

	(void)state;
	put_names(&f);
	put_bytes(&f, FRAME_PATH, 5, ones, sizeof(ones));
	is_refused(&f, "a path is of no way", 0);
	put_names(&f);
	put_bytes(&f, FRAME_WAYS, 0, ones, sizeof(ones));
	is_refused(&f, "a way is none", 0);
}

struct damaged {
	enum frame_kind kind;
	uint32_t thread;
	const char *why;
	long long numbers[7];
};

static void frames_of_nothing_known_are_refused(void **state)
{
	static const struct damaged none[] = {
		{ FRAME_PATH, 6, "a path is of no way", { LAST } },
		{ FRAME_PATH, 0, "a path is of no way", { LAST } },
		{ FRAME_END, 6, "a thread ends that never began", { LAST } },
		{ FRAME_END, 0, "a thread ends that never began", { LAST } },
		{ FRAME_THREAD, 5, "a thread is none", { 1, 8, 8, LAST } },
		{ FRAME_THREAD, 0, "a thread is none", { 1, 8, 8, LAST } },
		{ FRAME_THREAD, 6, "a thread is none", { 0, 8, 8, LAST } },
		{ FRAME_THREAD, 6, "a thread is none", { 1, 8, 0, LAST } },
		{ FRAME_THREAD, 6, "a thread is none", { MOST, 8, 8, LAST } },
		{ FRAME_THREAD, 6, "a thread is none", { 1, 8, LAST } },
		{ FRAME_OBJECT, 0, "a module is cut off", { 1, 8, LAST } },
		{ FRAME_MAPPING,
		  0,
		  "a mapping is of nothing known",
		  { 1, 2, 0, 0, LAST } },
		{ FRAME_MAPPING,
		  0,
		  "a mapping is of nothing known",
		  { 0, 1, 0, 0, LAST } },
		{ FRAME_MAPPING,
		  0,
		  "a mapping is of nothing known",
		  { 1, 1, 0, LAST } },
		{ FRAME_KILLED, 0, "a death is none", { 0, 1, 9, 0, 0, LAST } },
		{ FRAME_KILLED, 0, "a death is none", { 1, 1, 0, 0, 0, LAST } },
		{ FRAME_KILLED,
		  0,
		  "a death is none",
		  { 1, 1, 65, 0, 0, LAST } },
		{ FRAME_KILLED, 0, "a death is none", { 1, 1, 9, 0, LAST } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		const struct damaged *d = &none[i];
		struct buf f = { 0 };

		put_names(&f);
		FRAME(&f, FRAME_PATH, 5, 0, MISS(0, 2));
		put_frame(&f, d->kind, d->thread, d->numbers);
		FRAME(&f, FRAME_PATH, 5, 0, MISS(2, 2));
		is_refused(&f, d->why, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_no_frame_has_are_refused),
		cmocka_unit_test(what_is_no_zstd_is_refused),
		cmocka_unit_test(compressed_frames_are_as_long_as_they_say),
		cmocka_unit_test(blocks_that_are_none_are_refused),
		cmocka_unit_test(ways_that_are_none_are_refused),
		cmocka_unit_test(paths_that_are_none_are_refused),
		cmocka_unit_test(hits_without_an_end_are_refused),
		cmocka_unit_test(times_that_overflow_are_refused),
		cmocka_unit_test(numbers_that_never_end_are_refused),
		cmocka_unit_test(frames_of_nothing_known_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
