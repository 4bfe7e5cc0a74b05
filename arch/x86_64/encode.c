#include "arch/x86_64/encode.h"

#include <assert.h>
#include <string.h>

void x86_emit(struct x86_emit *e, const void *bytes, size_t n)
{
	assert(n <= e->max - e->len);
	memcpy(e->code + e->len, bytes, n);
	e->len += n;
}

void x86_emit_byte(struct x86_emit *e, uint8_t byte)
{
	x86_emit(e, &byte, 1);
}

void x86_emit_num(struct x86_emit *e, uint64_t v, unsigned size)
{
	assert(size <= sizeof(v));
	x86_emit_inline(e, &v, size);
}

/* In 32-bit mode displacements wrap, so that nothing is too far. */
bool x86_reaches(enum x86_mode mode, uint64_t from, uint64_t to)
{
	int64_t distance = to - from;

	return mode == X86_MODE_32 || distance == (int32_t)distance;
}

void x86_emit_jmp(struct x86_emit *e, uint64_t to)
{
	uint64_t next = x86_emit_at(e) + 5;

	if (x86_reaches(e->mode, next, to)) {
		x86_emit_byte(e, 0xe9);
		x86_emit_num(e, to - next, 4);
		return;
	}
	x86_emit(e, "\xff\x25\0\0\0\0", 6);
	x86_emit_num(e, to, 8);
}

size_t x86_emit_push(struct x86_emit *e, uint64_t v)
{
	if (e->mode == X86_MODE_32) {
		x86_emit_byte(e, 0x68);
		x86_emit_num(e, v, 4);
		return 0;
	}
	x86_emit(e, "\xff\x35\0\0\0\0", 6);
	return e->len - 4;
}

void x86_emit_literal(struct x86_emit *e, size_t disp_at, uint64_t v)
{
	uint32_t disp = e->len - (disp_at + 4);

	if (e->mode == X86_MODE_32)
		return;
	for (int i = 0; i < 4; i++)
		e->code[disp_at + i] = disp >> 8 * i;
	x86_emit_num(e, v, 8);
}
