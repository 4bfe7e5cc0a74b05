/* Frames and the buffer that keeps them: tracepoint/frame.h, buffer.h,
 * late.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tracepoint/buffer.h"
#include "tracepoint/frame.h"
#include "tracepoint/late.h"

/* A frame of n bytes in all, which can be told from others. */
static int add(struct trace_buffer *b, unsigned n, uint8_t mark)
{
	uint8_t data[256];

	memset(data, mark, n);
	return trace_buffer_add(b, data, n, mark);
}

static void check_frame(const struct trace_buffer *b, size_t number, size_t n,
			uint8_t mark)
{
	size_t len;
	const uint8_t *at = trace_buffer_frame(b, number, &len);

	assert_int_equal(len, n);
	assert_int_equal(trace_buffer_pc(b, number), mark);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(at[i], mark);
}

static void full(void **state)
{
	struct trace_buffer b;

	(void)state;
	trace_buffer_init(&b);
	assert_int_equal(trace_buffer_resize(&b, 100), 0);
	assert_int_equal(add(&b, 101, 1), -ENOSPC);
	assert_int_equal(add(&b, 60, 1), 0);
	assert_int_equal(add(&b, 41, 2), -ENOSPC);
	assert_int_equal(add(&b, 40, 3), 0);
	assert_int_equal(add(&b, 1, 4), -ENOSPC);
	assert_int_equal(trace_buffer_frames(&b), 2);
	assert_int_equal(trace_buffer_used(&b), 100);
	assert_int_equal(b.created, 2);
	check_frame(&b, 0, 60, 1);
	check_frame(&b, 1, 40, 3);
	trace_buffer_clear(&b);
	assert_int_equal(trace_buffer_frames(&b), 0);
	assert_int_equal(add(&b, 100, 5), 0);
	trace_buffer_fini(&b);
}

/* Whatever comes, what is left are the newest frames, whole and in order, and
 * there is no room for one more. */
static void circular(void **state)
{
	static unsigned sizes[5000];
	struct trace_buffer b;
	const uint8_t *at;
	size_t n, sum;

	(void)state;
	trace_buffer_init(&b);
	assert_int_equal(trace_buffer_resize(&b, 5000), 0);
	b.circular = true;
	srand(1);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		sizes[i] = 1 + (unsigned)rand() % 250;
		assert_int_equal(add(&b, sizes[i], (uint8_t)i), 0);
		n = trace_buffer_frames(&b);
		sum = 0;
		for (size_t k = 0; k < n; k++) {
			unsigned which = i + 1 - (unsigned)(n - k);

			check_frame(&b, k, sizes[which], (uint8_t)which);
			sum += sizes[which];
		}
		assert_int_equal(sum, trace_buffer_used(&b));
		assert_true(sum <= 5000);
		if (n <= i)
			assert_true(sum + sizes[i - n] > 5000);
	}
	assert_int_equal(b.created, ARRAY_SIZE(sizes));
	n = trace_buffer_bytes(&b, 0, SIZE_MAX, &at);
	assert_int_equal(n, trace_buffer_used(&b));
	assert_int_equal(at[n - 1], (uint8_t)(ARRAY_SIZE(sizes) - 1));
	assert_int_equal(trace_buffer_bytes(&b, n - 1, 7, &at), 1);
	assert_int_equal(trace_buffer_bytes(&b, n, 7, &at), 0);
	assert_int_equal(trace_buffer_bytes(&b, UINT64_MAX, 7, &at), 0);
	trace_buffer_fini(&b);
}

/* One buffer has each frame at once, the other late, by a short form. */
static void late(void **state)
{
	struct trace_buffer now, later;
	struct trace_late wait = { 0 };
	struct trace_late_entry e = { 0 };
	uint8_t data[256];

	(void)state;
	trace_buffer_init(&now);
	trace_buffer_init(&later);
	assert_int_equal(trace_buffer_resize(&now, 5000), 0);
	assert_int_equal(trace_buffer_resize(&later, 5000), 0);
	now.circular = later.circular = true;
	srand(2);
	for (unsigned i = 0; i < 5000; i++) {
		e = (struct trace_late_entry){
			.pc = i & 0xff,
			.frame_len = 1 + (unsigned)rand() % 250,
			.len = (unsigned)rand() % 20,
			.data = data,
		};
		memset(data, (int)i, sizeof(data));
		trace_late_add(&wait, &later, &e);
		assert_int_equal(add(&now, e.frame_len, (uint8_t)i), 0);
		if (rand() % 40)
			continue;
		trace_late_begin(&wait, &later);
		while (trace_late_take(&wait, &e)) {
			for (unsigned k = 0; k < e.len; k++)
				assert_int_equal(e.data[k], e.pc);
			add(&later, e.frame_len, (uint8_t)e.pc);
		}
		assert_int_equal(later.created, now.created);
		assert_int_equal(trace_buffer_frames(&later),
				 trace_buffer_frames(&now));
		for (size_t k = 0, n; k < trace_buffer_frames(&now); k++) {
			trace_buffer_frame(&now, k, &n);
			check_frame(&later, k, n,
				    (uint8_t)trace_buffer_pc(&now, k));
		}
	}
	trace_late_fini(&wait);
	trace_buffer_fini(&now);
	trace_buffer_fini(&later);
}

static void sizes_that_are_none(void **state)
{
	struct trace_buffer b;

	(void)state;
	trace_buffer_init(&b);
	assert_int_equal(trace_buffer_resize(&b, 0), -EINVAL);
	assert_int_equal(trace_buffer_resize(&b, UINT64_MAX), -EINVAL);
	assert_int_equal(b.capacity, TRACE_BUFFER_DEFAULT);
	assert_int_equal(add(&b, 9, 1), 0);
	trace_buffer_fini(&b);
}

/* --- frames --------------------------------------------------------------- */

static const char regs[] = "registers";

static struct frame make(struct buf *out)
{
	frame_begin(out, 0x1234);
	memcpy(frame_reserve_memory(out, 0x1000, 16), "0123456789", 10);
	frame_memory_is(out, 10);
	frame_put_variable(out, 7, -5);
	frame_reserve_memory(out, 0x5000, 16);
	frame_memory_is(out, 0);
	frame_put_registers(out, regs, sizeof(regs));
	memcpy(frame_reserve_memory(out, 0x100a, 16), "abc", 3);
	frame_memory_is(out, 3);
	frame_put_variable(out, 7, 6);
	frame_end(out);
	return (struct frame){ (uint8_t *)out->data, out->len, sizeof(regs) };
}

static void frame_is_read_back(void **state)
{
	struct buf out = { 0 };
	struct frame f = make(&out);
	struct frame_block b;
	char types[9] = "", text[32] = "";
	size_t pos = 0, n = 0;
	int64_t value;

	(void)state;
	assert_int_equal(frame_tracepoint(&f), 0x1234);
	while (frame_next(&f, &pos, &b))
		types[n++] = b.type;
	assert_string_equal(types, "MVRMV");
	assert_int_equal(pos, out.len);
	assert_string_equal((const char *)frame_registers(&f), regs);
	/* over two blocks, and to the end of the second */
	assert_int_equal(frame_memory(&f, 0x1008, text, 20), 5);
	assert_string_equal(text, "89abc");
	assert_int_equal(frame_memory(&f, 0xfff, text, 20), 0);
	assert_int_equal(frame_memory(&f, 0x5000, text, 1), 0);
	assert_true(frame_variable(&f, 7, &value));
	assert_int_equal(value, 6);
	assert_false(frame_variable(&f, 8, &value));
	buf_fini(&out);
}

/* gdb's manual, "Trace File Format". */
static void frame_has_gdbs_bytes(void **state)
{
	static const uint8_t want[] = {
		0x02, 0x01, 26,	  0,	0,    0, /* tracepoint 0x102, 26 bytes
						  */
		'M',  0xef, 0xcd, 0xab, 0,    0,    0,	  0,	0,
		2,    0,    'x',  'y',	'V',  3,    0,	  0,	0,
		0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};
	struct buf out = { 0 };

	(void)state;
	frame_begin(&out, 0x102);
	memcpy(frame_reserve_memory(&out, 0xabcdef, 2), "xy", 2);
	frame_memory_is(&out, 2);
	frame_put_variable(&out, 3, -2);
	frame_end(&out);
	assert_int_equal(out.len, sizeof(want));
	assert_memory_equal(out.data, want, sizeof(want));
	buf_fini(&out);
}

/* What is cut short is not read beyond. */
static void frame_that_is_cut(void **state)
{
	struct buf out = { 0 };
	struct frame f = make(&out);
	size_t whole = f.len;

	(void)state;
	for (f.len = FRAME_HEAD; f.len < whole; f.len++) {
		uint8_t *copy = xmalloc(f.len);
		struct frame cut = { copy, f.len, sizeof(regs) };
		struct frame_block b;
		size_t pos = 0;

		memcpy(copy, f.data, f.len);
		while (frame_next(&cut, &pos, &b))
			assert_true(pos <= f.len);
		free(copy);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full),
		cmocka_unit_test(circular),
		cmocka_unit_test(late),
		cmocka_unit_test(sizes_that_are_none),
		cmocka_unit_test(frame_is_read_back),
		cmocka_unit_test(frame_has_gdbs_bytes),
		cmocka_unit_test(frame_that_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
