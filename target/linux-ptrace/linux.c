#include "target/linux-ptrace/linux.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arch/x86_64/decode.h"
#include "base/mem.h"
#include "target/linux-ptrace/guard.h"
#include "target/linux-ptrace/inject.h"
#include "target/linux-ptrace/lwp.h"
#include "target/linux-ptrace/protect.h"
#include "target/linux-ptrace/share.h"
#include "target/linux-ptrace/syscall.h"

static void linux_free(struct target *t)
{
	struct linux_target *lt = linux_of(t);
	struct process *p;

	linux_halt(t);
	/* With one of them others may go: children that nobody was told of. */
	while (!list_empty(&t->processes)) {
		p = list_entry(t->processes.next, struct process, node);
		if (p->attached)
			linux_detach(t, p, 0);
		else
			linux_kill(t, p);
	}
	leaving_wait(lt, 0);
	if (lt->terminal_group)
		tcsetpgrp(STDERR_FILENO, lt->terminal_group);
	guardian_free(lt->guardian);
	tick_fini(&lt->tick);
	close(lt->signal_fd);
	target_fini(t);
	map_fini(&lt->lwps);
	map_fini(&lt->strays);
	arch_free(lt->arch64);
	arch_free(lt->arch32);
	free(lt);
}

static int linux_event_fd(struct target *t)
{
	return linux_of(t)->signal_fd;
}

static const struct target_ops linux_ops = {
	.name = "linux-ptrace",
	.free = linux_free,
	.launch = linux_launch,
	.attach = linux_attach,
	.detach = linux_detach,
	.kill = linux_kill,
	.resume = linux_resume,
	.interrupt = linux_interrupt,
	.only_steps = linux_only_steps,
	.halt = linux_halt,
	.event_fd = linux_event_fd,
	.next_event = linux_next_event,
	.idle = linux_idle,
	.await = linux_await,
	.fetch_regs = linux_fetch_regs,
	.store_regs = linux_store_regs,
	.read_mem = linux_read_mem,
	.write_mem = linux_write_mem,
	.thread_core = linux_thread_core,
	.thread_name = linux_thread_name,
	.thread_pointer = linux_thread_pointer,
	.point = &linux_point_ops,
	.object = &linux_object_ops,
	.syscall = &linux_syscall_ops,
	.core = &linux_core_ops,
	.inject = &linux_inject_ops,
	.share = &linux_share_ops,
	.guard = &linux_guard_ops,
	.protect = &linux_protect_ops,
};

struct target *linux_target_new(void)
{
	struct linux_target *lt = xcalloc(1, sizeof(*lt));
	sigset_t chld;

	target_init(&lt->t, &linux_ops);
	list_init(&lt->moving);
	list_init(&lt->settled);
	list_init(&lt->running);
	list_init(&lt->pending);
	list_init(&lt->statuses);
	list_init(&lt->left);
	list_init(&lt->ghosts);
	xsave_layout_read(&lt->xsave);
	x86_vendor = x86_vendor_here();
	lt->arch64 = arch_x86_64_new(&lt->xsave);
	lt->arch32 = arch_i386_new(&lt->xsave);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	lt->signal_fd = signalfd(-1, &chld, SFD_NONBLOCK | SFD_CLOEXEC);
	affinity_init(&lt->affinity);
	lt->n_acts = 1;
	if (tick_init(&lt->tick) < 0)
		die("cannot make a timer");
	return &lt->t;
}
