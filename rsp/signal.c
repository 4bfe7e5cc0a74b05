#include "rsp/signal.h"

#include <errno.h>
#include <signal.h>

#include "base/mem.h"

/* gdb's numbers of the signals that have names, by the host's. */
static const unsigned char named[] = {
	/* clang-format off */
	[SIGHUP] = 1,      [SIGINT] = 2,   [SIGQUIT] = 3,    [SIGILL] = 4,
	[SIGTRAP] = 5,     [SIGABRT] = 6,  [SIGFPE] = 8,     [SIGKILL] = 9,
	[SIGBUS] = 10,     [SIGSEGV] = 11, [SIGSYS] = 12,    [SIGPIPE] = 13,
	[SIGALRM] = 14,    [SIGTERM] = 15, [SIGURG] = 16,    [SIGSTOP] = 17,
	[SIGTSTP] = 18,    [SIGCONT] = 19, [SIGCHLD] = 20,   [SIGTTIN] = 21,
	[SIGTTOU] = 22,    [SIGIO] = 23,   [SIGXCPU] = 24,   [SIGXFSZ] = 25,
	[SIGVTALRM] = 26,  [SIGPROF] = 27, [SIGWINCH] = 28,  [SIGUSR1] = 30,
	[SIGUSR2] = 31,    [SIGPWR] = 32,  [SIGSTKFLT] = GDB_SIGNAL_UNKNOWN,
	/* clang-format on */
};

/* The kernel's range: libc hides the first two or three of it. */
#define RT_MIN 32
#define RT_MAX 64

/* gdb's: 33 to 63 in a row, 32 and 64 added later. */
#define GDB_RT_33 45
#define GDB_RT_32 77
#define GDB_RT_64 78

/* gdb tells SIGPOLL from SIGIO; to Linux they are one. */
#define GDB_POLL 33

_Static_assert(ARRAY_SIZE(named) == RT_MIN, "named signals end at 31");

int signal_to_gdb(int host)
{
	if (host == 0)
		return 0;
	if (host < 0 || host > RT_MAX)
		return GDB_SIGNAL_UNKNOWN;
	if (host < RT_MIN)
		return named[host];
	if (host == RT_MIN)
		return GDB_RT_32;
	return host == RT_MAX ? GDB_RT_64 : GDB_RT_33 + host - 33;
}

int signal_from_gdb(int number)
{
	if (number == GDB_POLL)
		return SIGIO;
	for (int host = 0; host <= RT_MAX; host++) {
		if (signal_to_gdb(host) == number)
			return host;
	}
	return -EINVAL;
}
