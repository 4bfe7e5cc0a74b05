/*
 * A trace frame: what was collected at one hit. Its bytes are those of gdb's
 * trace files (manual, "Trace File Format"):
 *
 *	2 the tracepoint's number, 4 the length of what follows:
 *	R	the registers, as in the g packet
 *	M	8 an address, 2 a length, so many bytes
 *	V	4 the number of a trace state variable, 8 its value
 *
 * in any order; a variable as often as an action has changed it.
 */
#ifndef TRACEPOINT_FRAME_H
#define TRACEPOINT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define FRAME_HEAD	 6
#define FRAME_MEMORY_MAX 0xffff /* bytes in a block */

/* --- writing ------------------------------------------------------------- */

/* What is in out goes. */
void frame_begin(struct buf *out, unsigned tracepoint);
void frame_put_registers(struct buf *out, const void *regs, size_t size);
/* Room for a block's bytes, len of them at most; the caller fills it, and says
 * how many there are: with 0 there is no block. */
void *frame_reserve_memory(struct buf *out, uint64_t addr, size_t len);
void frame_memory_is(struct buf *out, size_t len);
void frame_put_variable(struct buf *out, unsigned number, int64_t value);
void frame_end(struct buf *out);

/* --- reading ------------------------------------------------------------- */

struct frame {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t regs_size; /* of an R block */
};

struct frame_block {
	char type;	     /* R M V */
	uint64_t addr;	     /* M */
	unsigned number;     /* V */
	int64_t value;	     /* V */
	const uint8_t *data; /* R M; borrowed */
	size_t len;
};

unsigned frame_tracepoint(const struct frame *f);

/* The block at *pos, which is 0 for the first, and then behind it. False:
 * there is none. */
bool frame_next(const struct frame *f, size_t *pos, struct frame_block *out);

/* NULL: none were collected. */
const uint8_t *frame_registers(const struct frame *f);

/* How many bytes of memory from addr on were collected, len at most. */
size_t frame_memory(const struct frame *f, uint64_t addr, void *buf,
		    size_t len);

/* What it was in the end. False: it was not collected. */
bool frame_variable(const struct frame *f, unsigned number, int64_t *value);

#endif
