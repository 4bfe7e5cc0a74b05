/*
 * A stub brings the thread to the server by a trap. If the server has been
 * killed nobody takes the trap, and the program would die of it: so the thread
 * looks first, and goes round in a circle until it is rewound (orphan.c). It
 * gives up after most of a minute. A thread whose trap the server had seen, but
 * not dealt with, comes to that circle from behind the trap.
 *
 *		mov	%rcx, %gs:STUB_RCX
 *	again:	movzbl	%gs:LIFE, %ecx		0 while the server lives
 *		jrcxz	trap
 *		bswap	%ecx
 *	wait:	lea	-1(%rcx), %ecx
 *		jrcxz	trap
 *		pause
 *		jmp	wait
 *	trap:	mov	%gs:STUB_RCX, %rcx
 *		int3
 *		jmp	again
 */
#include <stddef.h>
#include <string.h>

#include "base/lifeline.h"
#include "translate/x86_64/emit.h"
#include "translate/x86_64/window.h"

/* The high byte of the word has LIFELINE_DEAD and no bit of a process id. */
#define LIFE_AT (TAB_LIFE + offsetof(struct lifeline, word) + 3)

enum { AT_LIFE = 9, AT_INT3 = 40 };

/* clang-format off */
#define LE32(v) (v) & 0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, (v) >> 24 & 0xff

static const uint8_t stub_code[STUB_BYTES] = {
	0x65, 0x48, 0x89, 0x0c, 0x25, LE32(WIN_STUB_RCX),
	0x65, 0x0f, 0xb6, 0x0c, 0x25, LE32(LIFE_AT),
	0xe3, 0x0b,
	0x0f, 0xc9,
	0x8d, 0x49, 0xff,
	0xe3, 0x04,
	0xf3, 0x90,
	0xeb, 0xf7,
	0x65, 0x48, 0x8b, 0x0c, 0x25, LE32(WIN_STUB_RCX),
	0xcc,
	0xeb, 0xde,
	0xcc,
};
/* clang-format on */

void emit_stub(uint8_t *code)
{
	memcpy(code, stub_code, sizeof(stub_code));
}

bool stub_uses_rcx(unsigned offset)
{
	return offset >= AT_LIFE && offset < AT_INT3;
}
