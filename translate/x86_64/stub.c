/*
 * A stub brings the thread to the server. All stubs of a region do so by one
 * routine, which their number in the window tells apart:
 *
 *	stub:	movl	$number, %gs:STUB
 *		jmp	stop
 *
 *	stop:	mov	%rcx, %gs:STUB_RCX
 *	again:	movzbl	%gs:LIFE, %ecx		0 while the server lives
 *		jrcxz	alive
 *		bswap	%ecx
 *	wait:	lea	-1(%rcx), %ecx
 *		jrcxz	trap
 *		pause
 *		jmp	wait
 *	alive:	rax, rdi, rsi and r11 to the window
 *		tkill(%gs:THREAD, SIGSTOP)
 *	back:	mov	%eax, %ecx
 *		jrcxz	more
 *	trap:	int3
 *	more:	rax, rdi, rsi and r11 back
 *		jmp	again
 *
 * The thread stops as the signal is about to be delivered, and the server does
 * away with it. That costs no more than a trap, and nobody dies of it: when the
 * server has been killed and had not waited for the stop yet, the program is
 * stopped until the guardian continues it. No other signal is like that: a trap
 * is forced on the thread and kills it, and all that do no harm can be blocked.
 *
 * A thread that comes to the routine later goes round in a circle until it is
 * rewound (orphan.c), and so does one whose stop the server had seen, but not
 * dealt with. It gives up after most of a minute.
 *
 * SIGSTOP takes back a SIGCONT that waits. A thread that finds none of its own
 * making when it goes on, because a SIGCONT has taken that back, tries again.
 */
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/lifeline.h"
#include "translate/x86_64/emit.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

/* The high byte of the word has LIFELINE_DEAD and no bit of a process id. */
#define LIFE_AT (TAB_LIFE + offsetof(struct lifeline, word) + 3)

enum { AT_AGAIN = 9, AT_ALL_SAVED = 67, AT_CALL = 86, AT_BACK = 88 };

_Static_assert(STOPPED_AT == AT_BACK, "trail.h says where it is");

/* clang-format off */
#define LE32(v) (v) & 0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, (v) >> 24 & 0xff
#define STORE(reg, at) 0x65, 0x48, 0x89, 0x04 | (reg) << 3, 0x25, LE32(at)
#define LOAD(reg, at)  0x65, 0x48, 0x8b, 0x04 | (reg) << 3, 0x25, LE32(at)
#define LOAD32(reg, at) 0x65, 0x8b, 0x04 | (reg) << 3, 0x25, LE32(at)

static const uint8_t stop_code[STOP_BYTES] = {
	STORE(RCX, WIN_STUB_RCX),
	0x65, 0x0f, 0xb6, 0x0c, 0x25, LE32(LIFE_AT),
	0xe3, 0x0b,
	0x0f, 0xc9,
	0x8d, 0x49, 0xff,
	0xe3, 0x41,
	0xf3, 0x90,
	0xeb, 0xf7,
	STORE(RAX, WIN_STUB_RAX),
	STORE(RDI, WIN_STUB_RDI),
	STORE(RSI, WIN_STUB_RSI),
	0x65, 0x4c, 0x89, 0x1c, 0x25, LE32(WIN_STUB_R11),
	LOAD32(RDI, WIN_THREAD),
	0xbe, LE32(SIGSTOP),
	0xb8, LE32(SYS_tkill),
	0x90,
	0x0f, 0x05,
	0x89, 0xc1,
	0xe3, 0x01,
	0xcc,
	LOAD(RAX, WIN_STUB_RAX),
	LOAD(RDI, WIN_STUB_RDI),
	LOAD(RSI, WIN_STUB_RSI),
	0x65, 0x4c, 0x8b, 0x1c, 0x25, LE32(WIN_STUB_R11),
	0xe9, LE32(AT_AGAIN - STOP_BYTES),
};
/* clang-format on */

void emit_stop(uint8_t *code, bool traps)
{
	memcpy(code, stop_code, sizeof(stop_code));
	if (traps)
		emit_stop_traps(code);
}

void emit_stop_traps(uint8_t *code)
{
	const uint16_t trap = 0x90cc; /* int3, nop */

	/* In one store: threads may be about to make the call. */
	__atomic_store_n((uint16_t *)(void *)(code + AT_CALL), trap,
			 __ATOMIC_RELEASE);
}

void w_life(struct writer *w)
{
	w_code(w, "\x65\x0f\xb6\x0c\x25");
	w_num(w, LIFE_AT, 4);
}

void emit_stub(struct region *rg, uint32_t number, uint32_t at)
{
	const int32_t to = (int32_t)(rg->cold.start - at - STUB_BYTES);
	uint8_t bytes[STUB_BYTES] = { 0x65, 0xc7, 0x04, 0x25, LE32(WIN_STUB),
				      0,    0,	  0,	0,    0xe9 };

	memcpy(bytes + 8, &number, 4);
	memcpy(bytes + 13, &to, 4);
	memcpy(rg->map + at, bytes, sizeof(bytes));
}

void stop_undo(const uint8_t *window, uint8_t *image, uint32_t offset)
{
	static const struct {
		uint8_t at, from;
		unsigned reg;
	} saved[] = {
		{ WIN_STUB_RCX, AT_AGAIN, 1 },
		{ WIN_STUB_RAX, AT_ALL_SAVED, 0 },
		{ WIN_STUB_RDI, AT_ALL_SAVED, 7 },
		{ WIN_STUB_RSI, AT_ALL_SAVED, 6 },
		{ WIN_STUB_R11, AT_ALL_SAVED, 11 },
	};

	for (size_t i = 0; i < sizeof(saved) / sizeof(saved[0]); i++) {
		if (offset >= saved[i].from)
			memcpy(image_gpr(image, saved[i].reg),
			       window + saved[i].at, 8);
	}
}
