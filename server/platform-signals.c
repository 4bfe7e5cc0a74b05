/* What lldb is to do with signals of this machine's programs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "server/json.h"
#include "server/packet.h"
#include "server/platform.h"

enum { SUPPRESS = 1, STOP = 2, NOTIFY = 4 };

/* All others stop and are told of; of those from SIG32 on lldb hears nothing.
 * As lldb-server says it. */
static const struct policy {
	int signo;
	unsigned bits;
} policies[] = {
	{ SIGINT, SUPPRESS | STOP | NOTIFY },
	{ SIGTRAP, SUPPRESS | STOP | NOTIFY },
	{ SIGSTOP, SUPPRESS | STOP | NOTIFY },
	{ SIGCHLD, NOTIFY },
	{ SIGCONT, NOTIFY },
	{ SIGALRM, 0 },
	{ SIGPROF, 0 },
};

#define FIRST_REALTIME 32 /* the kernel's: libc keeps two for itself */
#define LIBC_REALTIME  34
#define LAST_REALTIME  64

static unsigned policy_of(int signo)
{
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		if (policies[i].signo == signo)
			return policies[i].bits;
	}
	return signo < FIRST_REALTIME ? STOP | NOTIFY : 0;
}

/* Names of realtime signals count from the nearer end. */
static void put_name(int signo, char *name, size_t size)
{
	int low = signo - LIBC_REALTIME, high = LAST_REALTIME - signo;

	if (signo == SIGIO)
		snprintf(name, size, "SIGIO");
	else if (signo < FIRST_REALTIME)
		snprintf(name, size, "SIG%s", sigabbrev_np(signo));
	else if (low < 0)
		snprintf(name, size, "SIG%d", signo);
	else if (low <= high)
		snprintf(name, size, low ? "SIGRTMIN+%d" : "SIGRTMIN", low);
	else
		snprintf(name, size, high ? "SIGRTMAX-%d" : "SIGRTMAX", high);
}

static void put_signal(int signo, struct buf *out)
{
	unsigned bits = policy_of(signo);
	char name[16];

	put_name(signo, name, sizeof(name));
	json_separate(out);
	buf_putc(out, '{');
	json_member_number(out, "signo", signo);
	json_member_text(out, "name", name);
	json_member_flag(out, "suppress", bits & SUPPRESS);
	json_member_flag(out, "stop", bits & STOP);
	json_member_flag(out, "notify", bits & NOTIFY);
	buf_putc(out, '}');
}

/* Not escaped: lldb 19 takes this reply as it comes. One that it cannot read
 * has it go by gdb's numbers of signals. */
int pl_signals(struct platform *p, struct args *a, struct buf *out)
{
	(void)p, (void)a;
	buf_putc(out, '[');
	for (int signo = 1; signo <= LAST_REALTIME; signo++)
		put_signal(signo, out);
	buf_putc(out, ']');
	return REPLY_NOW;
}
