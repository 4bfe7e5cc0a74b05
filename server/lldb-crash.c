#include "server/lldb-crash.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "server/session.h"

/* The si_code of what the processor found: sigaction(2). */
static const struct crash {
	int signo, code;
	const char *text;
	bool address; /* si_addr says where */
} crashes[] = {
	{ SIGILL, ILL_ILLOPC, "illegal opcode", false },
	{ SIGILL, ILL_ILLOPN, "illegal operand", false },
	{ SIGILL, ILL_ILLADR, "illegal addressing mode", false },
	{ SIGILL, ILL_ILLTRP, "illegal trap", false },
	{ SIGILL, ILL_PRVOPC, "privileged opcode", false },
	{ SIGILL, ILL_PRVREG, "privileged register", false },
	{ SIGILL, ILL_COPROC, "coprocessor error", false },
	{ SIGILL, ILL_BADSTK, "internal stack error", false },
	{ SIGBUS, BUS_ADRALN, "illegal alignment", false },
	{ SIGBUS, BUS_ADRERR, "illegal address", false },
	{ SIGBUS, BUS_OBJERR, "hardware error", false },
	{ SIGFPE, FPE_INTDIV, "integer divide by zero", false },
	{ SIGFPE, FPE_INTOVF, "integer overflow", false },
	{ SIGFPE, FPE_FLTDIV, "floating point divide by zero", false },
	{ SIGFPE, FPE_FLTOVF, "floating point overflow", false },
	{ SIGFPE, FPE_FLTUND, "floating point underflow", false },
	{ SIGFPE, FPE_FLTRES, "inexact floating point result", false },
	{ SIGFPE, FPE_FLTINV, "invalid floating point operation", false },
	{ SIGFPE, FPE_FLTSUB, "subscript out of range", false },
	{ SIGSEGV, SEGV_MAPERR, "address not mapped to object", true },
	{ SIGSEGV, SEGV_ACCERR, "invalid permissions for mapped object", true },
	{ SIGSEGV, SI_KERNEL, "invalid address", true },
};

static const struct crash *find_crash(const siginfo_t *si)
{
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++) {
		if (crashes[i].signo == si->si_signo &&
		    crashes[i].code == si->si_code)
			return &crashes[i];
	}
	return NULL;
}

/* The first words of both layouts are signo, errno, code; what follows on
 * x86-64 is si_addr at 16, on i386 at 12. */
static int read_siginfo(struct session *s, struct thread *th, siginfo_t *si)
{
	uint8_t raw[sizeof(*si)] = { 0 };
	uint32_t narrow;
	ssize_t n = s->target->ops->object->read(s->target, th, OBJ_SIGINFO, 0,
						 raw, sizeof(raw));

	if (n < (ssize_t)sizeof(raw))
		return -EIO;
	memcpy(si, raw, sizeof(*si));
	if (th->proc->arch->word == 4) {
		memcpy(&narrow, raw + 12, sizeof(narrow));
		si->si_addr = (void *)(uintptr_t)narrow;
	}
	return 0;
}

void lldb_describe_signal(struct session *s, const struct stop *st,
			  struct buf *out)
{
	struct thread *th = thread_find(s->target, st->id.tid);
	const struct crash *c;
	siginfo_t si;

	if (!th || th->running || !s->target->ops->object ||
	    read_siginfo(s, th, &si) < 0 || si.si_signo != st->signo)
		return;
	c = find_crash(&si);
	if (!c)
		return;
	buf_printf(out, "signal SIG%s: %s", sigabbrev_np(st->signo), c->text);
	if (c->address)
		buf_printf(out, " (fault address: 0x%" PRIxPTR ")",
			   (uintptr_t)si.si_addr);
}
