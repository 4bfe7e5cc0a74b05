/*
 * The trace buffer: frames one behind the other, as gdb's trace files have
 * them (tracepoint/frame.h says what is in one). Of a circular one the oldest
 * frames make room for new ones; another is full.
 *
 * The memory is mapped twice in a row, so that what goes over its end is in one
 * piece for whoever reads it.
 */
#ifndef TRACEPOINT_BUFFER_H
#define TRACEPOINT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_BUFFER_DEFAULT 0x500000 /* bytes; gdbserver's */
#define TRACE_BUFFER_MOST    ((uint64_t)1 << 36)

struct trace_mark {
	uint64_t at; /* where the frame begins, from the first byte ever */
	uint64_t pc; /* where its thread was */
};

struct trace_buffer {
	uint8_t *memory; /* NULL: nothing was ever added */
	size_t mapped;	 /* bytes, of one of the two mappings */
	uint64_t capacity;
	bool circular;
	uint64_t begin, end; /* of what is kept, from the first byte ever */
	struct trace_mark *marks; /* owned; of the frames that are kept */
	size_t head, n_marks, cap_marks;
	uint64_t created; /* frames, with those that are gone */
};

/* An empty one of the default size. */
void trace_buffer_init(struct trace_buffer *b);
void trace_buffer_fini(struct trace_buffer *b);

/* Bytes for frames; what there is of them goes. -EINVAL: too many, or none. */
int trace_buffer_resize(struct trace_buffer *b, uint64_t capacity);

/* No frames, and none was ever made. */
void trace_buffer_clear(struct trace_buffer *b);

/* -ENOSPC: it is full, or never had room for as much; -ENOMEM. */
int trace_buffer_add(struct trace_buffer *b, const void *frame, size_t len,
		     uint64_t pc);

/* So many frames would have been added, after all others and before what is
 * added next, and forgotten again, as the buffer is circular. */
void trace_buffer_skip(struct trace_buffer *b, uint64_t frames);

/* How many frames there are; the oldest is number 0. */
size_t trace_buffer_frames(const struct trace_buffer *b);
/* One of them and its length; borrowed until the next that is added. */
const uint8_t *trace_buffer_frame(const struct trace_buffer *b, size_t number,
				  size_t *len);
uint64_t trace_buffer_pc(const struct trace_buffer *b, size_t number);

static inline uint64_t trace_buffer_used(const struct trace_buffer *b)
{
	return b->end - b->begin;
}

/* All frames in a row: how many bytes there are from off on, len at most, and
 * where (borrowed as above). */
size_t trace_buffer_bytes(const struct trace_buffer *b, uint64_t off,
			  size_t len, const uint8_t **at);

#endif
