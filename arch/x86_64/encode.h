/*
 * Writing instructions: the few that moved and generated code needs. Each call
 * appends one; nothing here touches flags. An emitter never writes past max:
 * what does not fit is a broken invariant of the caller and aborts.
 */
#ifndef ARCH_X86_64_ENCODE_H
#define ARCH_X86_64_ENCODE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arch/x86_64/decode.h"

struct x86_emit {
	uint8_t *code; /* the caller's, max bytes */
	size_t len, max;
	uint64_t base; /* where code[0] will run */
	enum x86_mode mode;
};

/* Where the next byte will run. */
static inline uint64_t x86_emit_at(const struct x86_emit *e)
{
	return e->base + e->len;
}

void x86_emit(struct x86_emit *e, const void *bytes, size_t n);

/* As x86_emit(): most are short, and to call takes longer than to copy. */
static inline void x86_emit_inline(struct x86_emit *e, const void *bytes,
				   size_t n)
{
	const uint8_t *from = bytes;
	uint8_t *to = e->code + e->len;

	if (n > 16) {
		x86_emit(e, bytes, n);
		return;
	}
	assert(n <= e->max - e->len);
	if (n >= 8) {
		memcpy(to, from, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else if (n >= 4) {
		memcpy(to, from, 4);
		memcpy(to + n - 4, from + n - 4, 4);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
	e->len += n;
}

void x86_emit_byte(struct x86_emit *e, uint8_t byte);

/* The low size bytes of v, little-endian. */
void x86_emit_num(struct x86_emit *e, uint64_t v, unsigned size);

/* Whether a signed 32-bit displacement counted from `from` leads to `to`. */
bool x86_reaches(enum x86_mode mode, uint64_t from, uint64_t to);

/* jmp rel32, or where that cannot reach, jmp *(%rip) and the address. */
void x86_emit_jmp(struct x86_emit *e, uint64_t to);

/*
 * Pushes v, a whole pointer, with one instruction. In 64-bit mode that is a
 * push of a literal which must follow later: returns the offset of the
 * displacement for x86_emit_literal(). In 32-bit mode v is in the instruction,
 * and x86_emit_literal() does nothing.
 */
size_t x86_emit_push(struct x86_emit *e, uint64_t v);
void x86_emit_literal(struct x86_emit *e, size_t disp_at, uint64_t v);

#endif
