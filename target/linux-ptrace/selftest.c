#include "target/linux-ptrace/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/debugreg.h"
#include "target/linux-ptrace/diagnose.h"
#include "target/linux-ptrace/selftest-probe.h"

#define WAIT_MS 2000

static void sleep_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

int probe_child_wait(struct probe_child *c, int *status)
{
	pid_t got;

	for (int i = 0; i < WAIT_MS; i++) {
		got = waitpid(c->pid, status, WNOHANG | __WALL);
		if (got)
			return got == c->pid ? 0 : -errno;
		sleep_ms(1);
	}
	return -ETIMEDOUT;
}

void probe_child_end(struct probe_child *c)
{
	int status;

	kill(c->pid, SIGKILL);
	while (!probe_child_wait(c, &status))
		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
}

static int seize_and_stop(struct probe_child *c)
{
	int status;

	if (ptrace(PTRACE_SEIZE, c->pid, NULL, PTRACE_O_EXITKILL) ||
	    ptrace(PTRACE_INTERRUPT, c->pid, NULL, NULL))
		return -errno;
	return probe_child_wait(c, &status);
}

int probe_child_start(struct probe_child *c, struct err *e)
{
	pid_t parent = getpid();
	int err;

	c->cell = 0;
	c->pid = fork();
	if (c->pid < 0)
		return err_set(e, -errno, "cannot fork: %s", strerror(errno));
	if (c->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* It may have died before that. */
		while (getppid() == parent) {
			c->cell++;
			sleep_ms(1);
		}
		_exit(0);
	}
	err = seize_and_stop(c);
	if (err == -ETIMEDOUT)
		err_set(e, err, "a seized child does not stop");
	else if (err)
		diagnose_attach(c->pid, -err, e);
	if (err)
		probe_child_end(c);
	return err;
}

static int probe_kernel(struct err *e)
{
	struct utsname u;

	uname(&u);
	return err_set(e, 0, "%.60s %.60s %.60s", u.sysname, u.release,
		       u.machine);
}

static int probe_user(struct err *e)
{
	const struct passwd *pw = getpwuid(geteuid());

	return err_set(e, 0, "%.60s (%u)", pw ? pw->pw_name : "nameless",
		       geteuid());
}

static int probe_capability(struct err *e)
{
	struct attach_facts f;

	attach_facts_gather(&f, getpid());
	if (f.our_cap)
		return 0;
	return err_set(e, -EPERM,
		       "not CAP_SYS_PTRACE: only processes of "
		       "this user can be attached to; run as root, "
		       "or: setcap cap_sys_ptrace=ep tracestub");
}

static int probe_yama(struct err *e)
{
	struct attach_facts f;

	attach_facts_gather(&f, getpid());
	if (f.yama == 0 || (f.yama < 3 && f.our_cap))
		return err_set(e, 0, "kernel.yama.ptrace_scope is %d", f.yama);
	return err_set(e, -EPERM,
		       "kernel.yama.ptrace_scope is %d: programs "
		       "can be started but not attached to; %s",
		       f.yama,
		       f.yama == 3 ? "it holds until a reboot"
				   : "sysctl kernel.yama.ptrace_scope=0");
}

static int probe_seize(struct err *e)
{
	struct probe_child c;
	int err = probe_child_start(&c, e);

	if (!err)
		probe_child_end(&c);
	return err;
}

static int probe_vm_read(struct err *e)
{
	uint64_t theirs = 0;
	struct probe_child c;
	struct iovec local = { &theirs, sizeof(theirs) };
	struct iovec remote = { (void *)&c.cell, sizeof(c.cell) };
	int err = probe_child_start(&c, e);
	ssize_t n;

	if (err)
		return err;
	ptrace(PTRACE_CONT, c.pid, NULL, NULL);
	sleep_ms(5);
	n = process_vm_readv(c.pid, &local, 1, &remote, 1, 0);
	err = n < 0 ? -errno : n == sizeof(theirs) && theirs ? 0 : -EIO;
	probe_child_end(&c);
	if (err)
		err_set(e, err,
			"process_vm_readv: %s: memory will be read by "
			"/proc/PID/mem; a seccomp filter?",
			strerror(-err));
	return err;
}

/* Of code: it must go through protections, as breakpoints do. */
static int probe_mem_write(struct err *e)
{
	void *code = (void *)(uintptr_t)probe_mem_write;
	struct probe_child c;
	uint64_t want = 0x0123456789abcdef;
	long got;
	char path[64];
	int fd, err = probe_child_start(&c, e);

	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)c.pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, &want, 8, (uintptr_t)code) != 8)
		err = -errno;
	close(fd);
	got = ptrace(PTRACE_PEEKTEXT, c.pid, code, NULL);
	if (!err && (uint64_t)got != want)
		err = -EIO;
	probe_child_end(&c);
	if (err)
		err_set(e, err,
			"/proc/PID/mem: %s: breakpoints cannot be "
			"set; boot without proc_mem.force_override, "
			"and mount /proc",
			strerror(-err));
	return err;
}

static int probe_memfd(struct err *e)
{
	int fd = memfd_create("selftest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err = 0;

	if (fd < 0 || ftruncate(fd, 4096) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		err = -errno;
	close(fd);
	if (err)
		err_set(e, err,
			"memfd_create: %s: nothing can be followed; "
			"Linux 3.17 or a laxer sandbox is needed",
			strerror(-err));
	return err;
}

static int probe_userfaultfd(struct err *e)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int err = 0;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		err = -errno;
	close(fd);
	if (err)
		err_set(e, err,
			"userfaultfd: %s: code that changes will be "
			"watched in a slower way; sysctl "
			"vm.unprivileged_userfaultfd=1, or a laxer "
			"sandbox",
			strerror(-err));
	return err;
}

static int sock_diag_ask(int fd)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask = {
		.head = { .nlmsg_len = sizeof(ask),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = AF_INET,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = 0xffffffff },
	};
	struct timeval limit = { .tv_sec = WAIT_MS / 1000 };
	char space[8192];
	const struct nlmsghdr *head = (const void *)space;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	n = recv(fd, space, sizeof(space), 0);
	if (n < (ssize_t)sizeof(*head))
		return n < 0 ? -errno : -EIO;
	return head->nlmsg_type == NLMSG_ERROR ? -EOPNOTSUPP : 0;
}

static int probe_sock_diag(struct err *e)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			NETLINK_SOCK_DIAG);
	int err = fd < 0 ? -errno : sock_diag_ask(fd);

	close(fd);
	if (err)
		err_set(e, err,
			"NETLINK_SOCK_DIAG: %s: who connects cannot "
			"be told",
			strerror(-err));
	return err;
}

static const struct {
	const char *name;
	bool essential;
	int (*run)(struct err *e);
} probes[] = {
	{ "kernel", false, probe_kernel },
	{ "user", false, probe_user },
	{ "capabilities", false, probe_capability },
	{ "yama", false, probe_yama },
	{ "ptrace", true, probe_seize },
	{ "extended registers", true, probe_extended_regs },
	{ "hardware watchpoints", false, debugreg_probe },
	{ "memory read", false, probe_vm_read },
	{ "memory write", true, probe_mem_write },
	{ "shared memory", false, probe_memfd },
	{ "page faults", false, probe_userfaultfd },
	{ "socket owners", false, probe_sock_diag },
};

int selftest_run(FILE *out)
{
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		struct err e = { "" };
		int err;

		/* A probe's child must not have it to write again. */
		fflush(out);
		err = probes[i].run(&e);
		if (err < 0 && probes[i].essential && !result)
			result = err;
		fprintf(out, "%-22s %s%s%s\n", probes[i].name,
			err < 0 ? "no: " : "ok", !err && e.text[0] ? ": " : "",
			e.text);
	}
	return result;
}
