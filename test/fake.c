/* The fake target's world, and how it is taken and given back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/syscalls.h"
#include "test/arch-find.h"
#include "test/fake_private.h"

struct fake *fake_of(struct target *t)
{
	return list_entry(t, struct fake, target);
}

struct target *fake_target(struct fake *f)
{
	return &f->target;
}

struct fake_process *fake_process_find(struct fake *f, pid_t pid)
{
	struct fake_process *p;

	list_each(p, &f->processes, node)
		if (p->pid == pid)
			return p;
	return NULL;
}

struct fake_thread *fake_thread_find(struct fake *f, pid_t tid)
{
	struct fake_process *p;
	struct fake_thread *th;

	list_each(p, &f->processes, node)
		list_each(th, &p->threads, node)
			if (th->tid == tid)
				return th;
	return NULL;
}

void fake_process_add(struct fake *f, pid_t pid)
{
	struct fake_process *p = xcalloc(1, sizeof(*p));

	p->pid = pid;
	list_init(&p->threads);
	list_init(&p->ranges);
	list_add(&f->processes, &p->node);
	fake_thread_add(f, pid, pid);
}

void fake_thread_add(struct fake *f, pid_t pid, pid_t tid)
{
	struct fake_process *p = fake_process_find(f, pid);
	struct fake_thread *th = xcalloc(1, sizeof(*th));

	th->tid = tid;
	th->regs = xcalloc(1, f->arch->regs_size);
	list_add(&p->threads, &th->node);
	if (p->taken)
		thread_add(&f->target, process_find(&f->target, pid), tid);
}

static uint8_t *reg_at(struct fake *f, pid_t tid, int regno)
{
	struct fake_thread *th = fake_thread_find(f, tid);

	return th && regno >= 0 ? th->regs + f->arch->regs[regno].packed_at
				: NULL;
}

static int reg_put(struct fake *f, pid_t tid, int regno, uint64_t v)
{
	uint8_t *at = reg_at(f, tid, regno);

	if (!at)
		return -ENOENT;
	for (unsigned i = 0; i < f->arch->regs[regno].bits / 8; i++)
		at[i] = i < 8 ? (uint8_t)(v >> 8 * i) : 0;
	return 0;
}

int fake_reg_set(struct fake *f, pid_t tid, const char *name, uint64_t v)
{
	return reg_put(f, tid, arch_reg_find(f->arch, name), v);
}

void fake_pc_set(struct fake *f, pid_t tid, uint64_t pc)
{
	reg_put(f, tid, (int)f->arch->pc, pc);
}

uint64_t fake_pc(struct fake *f, pid_t tid)
{
	uint64_t pc = 0;

	memcpy(&pc, reg_at(f, tid, (int)f->arch->pc), f->arch->word);
	return pc;
}

/* The registers of one set between the thread's image and the cache. */
static int move_regs(struct target *t, struct thread *th, enum regset set,
		     bool store)
{
	struct fake *f = fake_of(t);

	for (size_t i = 0; i < f->arch->n_regs; i++) {
		const struct regdesc *r = &f->arch->regs[i];
		uint8_t *own = reg_at(f, th->id.tid, (int)i);
		uint8_t *cached = th->regs + r->packed_at;

		if (!own)
			return -ESRCH;
		if (r->regset == set)
			memcpy(store ? own : cached, store ? cached : own,
			       r->bits / 8);
	}
	return 0;
}

static int fetch_regs(struct target *t, struct thread *th, enum regset set)
{
	return move_regs(t, th, set, false);
}

static int store_regs(struct target *t, struct thread *th, enum regset set)
{
	return move_regs(t, th, set, true);
}

static struct process *take(struct fake *f, struct fake_process *fp)
{
	struct process *p = process_add_untold(&f->target, fp->pid, f->arch);
	struct fake_thread *th;

	fp->taken = true;
	list_each(th, &fp->threads, node)
		thread_add(&f->target, p, th->tid);
	return p;
}

static pid_t launch(struct target *t, const struct launch_spec *spec,
		    struct err *e)
{
	struct fake *f = fake_of(t);
	struct fake_process *fp;

	list_each(fp, &f->processes, node) {
		struct process *p;

		if (fp->taken)
			continue;
		p = take(f, fp);
		p->path = xstrdup(spec->argv[0]);
		process_tell(&f->target, p);
		buf_puts(&f->log, "launch");
		for (char *const *a = spec->argv; *a; a++)
			buf_printf(&f->log, " %s", *a);
		buf_putc(&f->log, '\n');
		return p->pid;
	}
	return err_set(e, -ENOENT, "%s: no such program", spec->argv[0]);
}

static int attach(struct target *t, pid_t pid, struct err *e)
{
	struct fake *f = fake_of(t);
	struct fake_process *fp = fake_process_find(f, pid);
	struct process *p;

	if (!fp)
		return err_set(e, -ESRCH, "no process %d", pid);
	if (fp->taken)
		return err_set(e, -EPERM, "process %d is traced", pid);
	p = take(f, fp);
	p->attached = true;
	p->path = xstrdup("/fake/attached");
	process_tell(t, p);
	buf_printf(&f->log, "attach %x\n", (unsigned)pid);
	return 0;
}

static int detach(struct target *t, struct process *p, int signo)
{
	struct fake *f = fake_of(t);

	buf_printf(&f->log, "detach %x %d\n", (unsigned)p->pid, signo);
	fake_process_find(f, p->pid)->taken = false;
	process_free(t, p);
	return 0;
}

static int kill_process(struct target *t, struct process *p)
{
	buf_printf(&fake_of(t)->log, "kill %x\n", (unsigned)p->pid);
	process_free(t, p);
	return 0;
}

static int thread_core(struct target *t, struct thread *th)
{
	(void)t;
	return th->id.tid % 2;
}

static int thread_name(struct target *t, struct thread *th, char *buf,
		       size_t len)
{
	(void)t;
	return snprintf(buf, len, "name-%x", (unsigned)th->id.tid);
}

static int thread_pointer(struct target *t, struct thread *th, uint64_t *base)
{
	struct fake *f = fake_of(t);
	uint8_t *at = reg_at(f, th->id.tid, arch_reg_find(f->arch, "fs_base"));

	if (!at)
		return -ENOTSUP;
	memcpy(base, at, sizeof(*base));
	return 0;
}

void fake_auxv_set(struct fake *f, const void *data, size_t len)
{
	buf_reset(&f->auxv);
	buf_put(&f->auxv, data, len);
}

static ssize_t slice(const void *data, size_t size, uint64_t off, void *buf,
		     size_t len)
{
	if (off >= size)
		return 0;
	if (len > size - off)
		len = size - off;
	memcpy(buf, (const char *)data + off, len);
	return (ssize_t)len;
}

static ssize_t object_read(struct target *t, struct thread *th,
			   enum object what, uint64_t off, void *buf,
			   size_t len)
{
	struct fake *f = fake_of(t);
	siginfo_t info = { .si_signo = th->last.signo };

	if (what == OBJ_AUXV)
		return slice(f->auxv.data, f->auxv.len, off, buf, len);
	return slice(&info, sizeof(info), off, buf, len);
}

static ssize_t object_write(struct target *t, struct thread *th,
			    enum object what, uint64_t off, const void *buf,
			    size_t len)
{
	(void)buf;
	if (what != OBJ_SIGINFO)
		return -EINVAL;
	buf_printf(&fake_of(t)->log, "siginfo %x.%x %lx %zx\n",
		   (unsigned)th->id.pid, (unsigned)th->id.tid,
		   (unsigned long)off, len);
	return (ssize_t)len;
}

const char *fake_log(struct fake *f)
{
	return buf_str(&f->log);
}

void fake_log_clear(struct fake *f)
{
	buf_reset(&f->log);
}

static void process_drop(struct fake_process *p)
{
	struct fake_thread *th, *th2;
	struct fake_range *r, *r2;

	list_each_safe(th, th2, &p->threads, node) {
		free(th->regs);
		free(th);
	}
	list_each_safe(r, r2, &p->ranges, node) {
		free(r->data);
		free(r);
	}
	free(p);
}

static void fake_free(struct target *t)
{
	struct fake *f = fake_of(t);
	struct fake_process *p, *p2;
	struct fake_event *e, *e2;

	target_fini(t);
	list_each_safe(p, p2, &f->processes, node)
		process_drop(p);
	list_each_safe(e, e2, &f->events, node) {
		free(e->path);
		free(e);
	}
	close(f->ready);
	buf_fini(&f->auxv);
	buf_fini(&f->log);
	free(f);
}

static int catch_syscalls(struct target *t, struct process *p,
			  struct syscall_set *set)
{
	struct buf *log = &fake_of(t)->log;

	buf_printf(log, "catch %x", (unsigned)p->pid);
	if (!set || set->all)
		buf_puts(log, set ? " all" : " none");
	for (size_t i = 0; set && i < set->n; i++)
		buf_printf(log, " %x", (unsigned)set->numbers[i]);
	buf_putc(log, '\n');
	process_set_caught(p, set);
	return 0;
}

static const struct target_syscall_ops syscall_ops = {
	.catch = catch_syscalls,
};

static const struct target_object_ops object_ops = {
	.read = object_read,
	.write = object_write,
};

static const struct target_ops fake_ops = {
	.name = "fake",
	.free = fake_free,
	.launch = launch,
	.attach = attach,
	.detach = detach,
	.kill = kill_process,
	.resume = fake_resume,
	.interrupt = fake_interrupt,
	.only_steps = fake_only_steps,
	.halt = fake_halt,
	.event_fd = fake_event_fd,
	.next_event = fake_next_event,
	.fetch_regs = fetch_regs,
	.store_regs = store_regs,
	.read_mem = fake_read_mem,
	.write_mem = fake_write_mem,
	.thread_core = thread_core,
	.thread_name = thread_name,
	.thread_pointer = thread_pointer,
	.point = &fake_point_ops,
	.object = &object_ops,
	.syscall = &syscall_ops,
	.branch = &fake_branch_ops,
};

struct fake *fake_new(const struct arch *arch)
{
	struct fake *f = xcalloc(1, sizeof(*f));

	target_init(&f->target, &fake_ops);
	f->arch = arch;
	list_init(&f->processes);
	list_init(&f->events);
	f->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return f;
}
