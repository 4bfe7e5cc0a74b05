/*
 * The code that writes an event to the thread's ring:
 *
 *	mov	%rcx, %gs:RCX
 *	mov	%gs:RING, %rcx
 *	movl	$number, (%rcx)
 *	lea	size(%rcx), %rcx
 *	mov	%rcx, %gs:RING
 *	movzwl	%cx, %ecx
 *	jrcxz	1f
 *	jmp	2f
 * 1:	jmp	stub			the ring is full
 * 2:	mov	%gs:RCX, %rcx
 *
 * It changes no flags. Where an indirect one goes is stored through rax. A
 * thread that is stopped within has not executed what comes behind.
 */
#include "translate/ring.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

/* Moves on, and sees to it that there is room for the next. rcx is spilled,
 * and points at the record. */
static void advance(struct writer *w)
{
	struct stub stub = {
		.pc = w->pc,
		.kind = STUB_DRAIN,
		.rewind = REWIND_RCX,
	};
	uint8_t size = (uint8_t)ring_record_size(w->sp);

	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x48\x8d\x49");
	w_bytes(w, &size, 1);
	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RCX, WIN_RING);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\xb7\xc9");
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x02");
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xeb\x05");
	w_mark(w, REWIND_RCX, 0);
	stub.arg = stream_at(w->s) + 5;
	w_jmp_at(w, w_stub(w, &stub));
}

static void number(struct writer *w, const struct event_site *site)
{
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xc7\x01");
	w_num(w, ring_site(w->rg, site), 4);
}

static void write_site(struct writer *w, const struct event_site *site)
{
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RING);
	number(w, site);
	advance(w);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}

void event_write(struct writer *w, enum event_kind kind, uint64_t to)
{
	if (!(ring_kinds(w->sp) & kind) || (w->silent && kind & ~CALLS))
		return;
	write_site(w, &(struct event_site){ .from = w->pc,
					    .to = to,
					    .kind = (uint8_t)kind,
					    .silent = w->silent });
}

void event_write_silent(struct writer *w)
{
	if (ring_kinds(w->sp) & EVENT_RET)
		write_site(w, &(struct event_site){ .from = w->pc,
						    .kind = EVENT_RET,
						    .silent = true });
}

/* rcx is spilled. */
static void write_indirect(struct writer *w, enum event_kind kind)
{
	struct event_site site = { .from = w->pc,
				   .kind = (uint8_t)kind,
				   .indirect = true,
				   .silent = w->silent };

	w_mark(w, REWIND_RCX, 0);
	w_spill(w, RAX, WIN_RAX);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RING);
	w_mark(w, REWIND_RCX, 0);
	if (kind == EVENT_RET)
		w_code(w, "\x48\x8b\x04\x24"); /* mov (%rsp), %rax */
	else
		w_fill(w, RAX, WIN_TARGET);
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_code(w, "\x48\x89\x41\x08"); /* mov %rax, 8(%rcx) */
	w_mark(w, REWIND_RCX | REWIND_RAX, 0);
	w_fill(w, RAX, WIN_RAX);
	number(w, &site);
	advance(w);
}

void event_write_call(struct writer *w)
{
	if (!(ring_kinds(w->sp) & EVENT_CALL))
		return;
	write_indirect(w, EVENT_CALL);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_TARGET);
}

void event_write_ret(struct writer *w)
{
	if (!(ring_kinds(w->sp) & EVENT_RET))
		return;
	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	write_indirect(w, EVENT_RET);
	w_mark(w, REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RCX);
}
