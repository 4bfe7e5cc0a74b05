/* Debug registers: SDM vol. 3, 18.2. */
#include "target/linux-ptrace/debugreg.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* DR7: local enable of register 0, which breaks on writes of 8 bytes. */
#define WRITE_8 (1ul | 1ul << 16 | 2ul << 18)

static _Alignas(8) volatile uint64_t cell;

static void write_when_told(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* It may have died before that. */
	if (getppid() != parent || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(SIGSTOP);
	cell = 1;
	_exit(0);
}

/* Has it stopped, rather than ended? */
static bool wait_for_stop(pid_t child, int *status)
{
	pid_t got;

	do {
		got = waitpid(child, status, __WALL);
	} while (got < 0 && errno == EINTR);
	return got == child && WIFSTOPPED(*status);
}

static int poke(pid_t pid, unsigned n, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, pid,
		      offsetof(struct user, u_debugreg[n]), value)
		       ? -errno
		       : 0;
}

static int set_and_go(pid_t pid)
{
	int r = poke(pid, 0, (uintptr_t)&cell);

	if (r == 0)
		r = poke(pid, 7, WRITE_8);
	if (r == 0 && ptrace(PTRACE_CONT, pid, NULL, NULL))
		r = -errno;
	return r;
}

static bool has_trapped(pid_t pid, int status)
{
	errno = 0;
	return WSTOPSIG(status) == SIGTRAP &&
	       ptrace(PTRACE_PEEKUSER, pid,
		      offsetof(struct user, u_debugreg[6]), NULL) & 1 &&
	       !errno;
}

/* Rather than being killed on its way there. */
static bool has_written(int status)
{
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static int explain(int r, int status, struct err *e)
{
	if (r == -ENODEV)
		return err_set(e, r,
			       "a write did not trigger: this virtual machine "
			       "does not have them; translated code does what "
			       "they would");
	if (r == -EIO)
		return err_set(e, r, "a write gave status %x", status);
	if (r < 0)
		return err_set(e, r,
			       "cannot be set (%s): translated code does what "
			       "they would",
			       strerror(-r));
	return 0;
}

int debugreg_probe(struct err *e)
{
	pid_t parent = getpid(), child = fork();
	int r = -ECHILD, status = 0;
	bool stopped;

	if (child < 0)
		return err_set(e, -errno, "cannot fork: %s", strerror(errno));
	if (child == 0)
		write_when_told(parent);
	stopped = wait_for_stop(child, &status);
	if (stopped)
		r = set_and_go(child);
	if (r == 0) {
		stopped = wait_for_stop(child, &status);
		r = stopped	    ? has_trapped(child, status) ? 0 : -EIO
		    : has_written(status) ? -ENODEV
					  : -EIO;
	}
	while (stopped) {
		kill(child, SIGKILL);
		stopped = wait_for_stop(child, &status);
	}
	return explain(r, status, e);
}
