/*
 * The siginfo of an i386 program: ptrace(2) hands a 64-bit tracer the 64-bit
 * layout, the program and its debugger have the one of 32 bits. Which fields
 * there are depends on signal and code as in the kernel's siginfo_layout().
 */
#include "target/linux-ptrace/siginfo.h"

#include <stddef.h>
#include <string.h>

/* A field: where and how long it is in both. */
struct field {
	uint8_t at64, size64, at32;
	bool is_signed;
};

#define FIELDS_MAX 5

static const struct field common[FIELDS_MAX] = {
	{ 0, 4, 0, true },
	{ 4, 4, 4, true },
	{ 8, 4, 8, true },
};

enum layout { KILL, TIMER, RT, CHLD, FAULT, PERF, POLL, SYS };

static const struct field layouts[][FIELDS_MAX] = {
	[KILL] = { { 16, 4, 12, true }, { 20, 4, 16, false } },
	[TIMER] = { { 16, 4, 12, true }, { 20, 4, 16, true },
		    { 24, 8, 20, false } },
	[RT] = { { 16, 4, 12, true }, { 20, 4, 16, false },
		 { 24, 8, 20, false } },
	[CHLD] = { { 16, 4, 12, true }, { 20, 4, 16, false },
		   { 24, 4, 20, true }, { 32, 8, 24, true },
		   { 40, 8, 28, true } },
	/* Address, its least significant bit, bounds or protection key. */
	[FAULT] = { { 16, 8, 12, false }, { 24, 4, 16, false },
		    { 32, 8, 20, false }, { 40, 8, 24, false } },
	[PERF] = { { 16, 8, 12, false }, { 24, 8, 16, false },
		   { 32, 4, 20, false }, { 36, 4, 24, false } },
	[POLL] = { { 16, 8, 12, true }, { 24, 4, 16, true } },
	[SYS] = { { 16, 8, 12, false }, { 24, 4, 16, true },
		  { 28, 4, 20, false } },
};

#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif

static enum layout layout_of(int signo, int code)
{
	if (code == SI_TIMER)
		return TIMER;
	if (code == SI_SIGIO)
		return POLL;
	if (code < 0)
		return RT;
	if (code == SI_USER || code == SI_KERNEL)
		return KILL;
	switch (signo) {
	case SIGTRAP:
		return code == TRAP_PERF ? PERF : FAULT;
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
		return FAULT;
	case SIGCHLD:
		return CHLD;
	case SIGPOLL:
		return POLL;
	case SIGSYS:
		return SYS;
	default:
		return KILL;
	}
}

static void fields_to_32(const struct field f[static FIELDS_MAX],
			 const uint8_t *from, uint8_t *to)
{
	for (size_t i = 0; i < FIELDS_MAX && f[i].size64; i++)
		memcpy(to + f[i].at32, from + f[i].at64, 4);
}

static void fields_to_64(const struct field f[static FIELDS_MAX],
			 const uint8_t *from, uint8_t *to)
{
	for (size_t i = 0; i < FIELDS_MAX && f[i].size64; i++) {
		int64_t v;
		uint32_t u;

		memcpy(&u, from + f[i].at32, 4);
		v = f[i].is_signed ? (int32_t)u : (int64_t)u;
		memcpy(to + f[i].at64, &v, f[i].size64);
	}
}

void siginfo_to_i386(const siginfo_t *si, uint8_t out[static SIGINFO_SIZE])
{
	const uint8_t *from = (const uint8_t *)si;

	memset(out, 0, SIGINFO_SIZE);
	fields_to_32(common, from, out);
	fields_to_32(layouts[layout_of(si->si_signo, si->si_code)], from, out);
}

void siginfo_from_i386(const uint8_t in[static SIGINFO_SIZE], siginfo_t *si)
{
	uint8_t *to = (uint8_t *)si;

	memset(to, 0, sizeof(*si));
	fields_to_64(common, in, to);
	fields_to_64(layouts[layout_of(si->si_signo, si->si_code)], in, to);
}
