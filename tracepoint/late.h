/*
 * Frames that wait to be made. A circular buffer forgets most of what comes
 * into it before anybody looks: those that it would have forgotten are counted
 * and never made. What waits is a short form, which the caller can make the
 * frame of.
 */
#ifndef TRACEPOINT_LATE_H
#define TRACEPOINT_LATE_H

#include <stddef.h>
#include <stdint.h>

struct trace_buffer;

/* All zero: none. */
struct trace_late {
	uint8_t *bytes; /* owned; entries, with their short forms */
	size_t head, end, cap;
	uint64_t owed;	    /* bytes of the frames that wait */
	uint64_t forgotten; /* frames, since some were taken last */
};

struct trace_late_entry {
	uint64_t pc;
	uint32_t frame_len; /* that it will have */
	uint32_t len;
	const uint8_t *data; /* the short form; borrowed until the next call */
};

void trace_late_fini(struct trace_late *l);

/* One more, newer than all; the oldest that b has no room for go. frame_len is
 * b's capacity at most. */
void trace_late_add(struct trace_late *l, const struct trace_buffer *b,
		    const struct trace_late_entry *entry);

/* They are to be made: what b would have forgotten of its own, with those that
 * were forgotten here, is gone. */
void trace_late_begin(struct trace_late *l, struct trace_buffer *b);
/* The oldest, which waits no more. 0: there is none. */
int trace_late_take(struct trace_late *l, struct trace_late_entry *entry);

#endif
