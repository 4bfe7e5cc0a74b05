/* System calls in the cache. */
#include <string.h>

#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

static void w_called(struct writer *w, const char *code, size_t n)
{
	w_mark(w, REWIND_CALLED, 0);
	w_bytes(w, code, n);
}

/*
 * ecx is nonzero: the server has died. A thread that was born in that moment
 * has its parent's window, which neither may touch before they are rewound.
 * See stub.c.
 */
static uint32_t write_orphanage(struct writer *w)
{
	struct writer cold = w_cold(w);
	uint32_t at = stream_at(cold.s);

	w_at(&cold, w->pc);
	w_called(&cold, "\x0f\xc9", 2);	    /* bswap %ecx */
	w_called(&cold, "\x8d\x49\xff", 3); /* lea -1(%rcx), %ecx */
	w_called(&cold, "\xe3\x04", 2);	    /* jrcxz, to the trap */
	w_called(&cold, "\xf3\x90", 2);	    /* pause */
	w_called(&cold, "\xeb\xf7", 2);	    /* jmp, to the lea */
	w_called(&cold, "\xcc", 1);
	return at;
}

/* The number that the call seems to have, by what is put into eax last; 0:
 * nobody knows. */
static uint32_t number_of(const struct compiler *c)
{
	uint32_t nr = 0;

	for (unsigned n = c->n_insns; n-- > 0;) {
		const struct insn *i = &c->insns[n];

		if (i->in.map != X86_MAP_MAIN || i->bytes[0] != 0xb8 ||
		    i->in.length != 5)
			continue;
		memcpy(&nr, i->bytes + 1, sizeof(nr));
		break;
	}
	return nr;
}

/*
 * rcx is lost to a system call anyway, so it can tell first whether the server
 * wants to see the call, and then whether there is one still.
 */
uint64_t syscall_write(struct compiler *c, const struct insn *i)
{
	struct writer *w = &c->w;
	struct stub stub = {
		.pc = i->pc,
		.kind = STUB_SYSCALL,
		.rewind = REWIND_RCX,
	};
	uint32_t at, pass;

	w_mark(w, 0, 0);
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\xb7\xc8"); /* movzwl %ax, %ecx */
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x65\x0f\xb6\x89"); /* movzbl %gs:(%rcx), %ecx */
	w_num(w, TAB_SYSCALLS, 4);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\xe3\x05"); /* jrcxz */
	w_mark(w, REWIND_RCX, 0);
	stub.arg = stream_at(w->s) + 5;
	at = w_stub(w, &stub);
	pass = c->sp->reads_execute ? 0
				    : pass_write(w, number_of(c), at, stub.arg);
	w_jmp_at(w, pass ? pass : at);
	w_mark(w, REWIND_RCX, 0);
	w_code(w, "\x0f\x05");
	w_at(w, insn_next(i));
	w_mark(w, REWIND_CALLED, 0);
	w_life(w);
	w_called(w, "\xe3\x05", 2); /* jrcxz */
	w_mark(w, REWIND_CALLED, 0);
	w_jmp_at(w, write_orphanage(w));
	w_called(w, "\x48\xb9", 2); /* mov $next, %rcx */
	w_num(w, insn_next(i), 8);
	return insn_next(i);
}
