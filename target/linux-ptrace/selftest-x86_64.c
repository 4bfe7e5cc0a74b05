/* The XSAVE area: Intel SDM vol. 1, 13.4. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "target/linux-ptrace/selftest-probe.h"

#define XSAVE_MAX      65536 /* AMX has some 11 KiB */
#define XSAVE_XMM0     160
#define XSAVE_STATE_BV 512
#define XSAVE_SSE      2

static int xsave_move(int request, pid_t pid, void *area, size_t *len)
{
	struct iovec iov = { area, *len };

	if (ptrace(request, pid, NT_X86_XSTATE, &iov))
		return -errno;
	*len = iov.iov_len;
	return 0;
}

/* Changes XMM0 and looks whether it has changed. */
static int xsave_change(pid_t pid, uint8_t *area, size_t *len)
{
	size_t again = XSAVE_MAX;
	uint8_t want;
	int err = xsave_move(PTRACE_GETREGSET, pid, area, len);

	if (err)
		return err;
	want = ++area[XSAVE_XMM0];
	area[XSAVE_STATE_BV] |= XSAVE_SSE;
	err = xsave_move(PTRACE_SETREGSET, pid, area, len);
	if (!err)
		err = xsave_move(PTRACE_GETREGSET, pid, area, &again);
	return err ? err : area[XSAVE_XMM0] == want ? 0 : -EIO;
}

int probe_extended_regs(struct err *e)
{
	size_t len = XSAVE_MAX;
	struct probe_child c;
	uint8_t *area;
	int err = probe_child_start(&c, e);

	if (err)
		return err;
	area = xcalloc(1, XSAVE_MAX);
	err = xsave_change(c.pid, area, &len);
	free(area);
	probe_child_end(&c);
	if (err)
		return err_set(e, err,
			       "the XSAVE area cannot be changed (%s): "
			       "this kernel or sandbox is not usable",
			       strerror(-err));
	return err_set(e, 0, "XSAVE area of %zu bytes", len);
}
