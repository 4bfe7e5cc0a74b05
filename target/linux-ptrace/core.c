/* Cores of processes: which memory goes into one, and keeping still for it. */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "target/linux-ptrace/corefile.h"
#include "target/linux-ptrace/corenote.h"
#include "target/linux-ptrace/inject.h"
#include "target/linux-ptrace/slot.h"

struct segments {
	struct core_segment *all;
	size_t n, cap;
};

static void segment_add(struct segments *ss, uint64_t lo, uint64_t hi,
			uint64_t filesz, const struct mapping *m)
{
	if (lo == hi)
		return;
	GROW(ss->all, ss->n, ss->cap, 64);
	ss->all[ss->n++] = (struct core_segment){
		.addr = lo,
		.memsz = hi - lo,
		.filesz = filesz,
		.of = m,
	};
}

static bool has_elf_header(struct target *t, struct process *p, uint64_t addr)
{
	char magic[SELFMAG];

	return target_read_all(t, p, addr, magic, SELFMAG) == 0 &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

/* Without what is ours in it. */
static void mapping_add(struct segments *ss, struct linux_target *lt,
			struct process *p, const struct mapping *m,
			unsigned filter)
{
	const struct slots *slots = inferior_of(memory_owner(lt, p))->slots;
	enum mapping_part part = mapping_part(m, filter);
	uint64_t lo = m->lo, size = 0, at, end;

	if (part == PART_ELF_HEADER && has_elf_header(&lt->t, p, lo))
		size = (uint64_t)sysconf(_SC_PAGESIZE);
	while (lo < m->hi) {
		end = m->hi;
		at = slots_in(slots, lo, m->hi, &end);
		segment_add(ss, lo, at, part == PART_ALL ? at - lo : size, m);
		lo = at < m->hi ? end : m->hi;
	}
}

static unsigned filter_of(pid_t tid)
{
	char text[32];

	if (file_peek(text, sizeof(text), "/proc/%d/coredump_filter", tid) <= 0)
		return COREDUMP_FILTER_DEFAULT;
	return (unsigned)strtoul(text, NULL, 16);
}

static int write_image(struct linux_target *lt, struct thread *first,
		       int signo, const struct mappings *ms, const char *path,
		       struct core_result *out, struct err *e)
{
	struct process *p = first->proc;
	struct core_image c = {
		.p = p,
		.tid = inferior_tid(p),
		.machine = (uint16_t)note_machine(p->arch),
	};
	unsigned filter = filter_of(c.tid);
	struct segments ss = { 0 };
	int64_t size;
	int n;

	n = notes_put(lt, first, signo, ms, &c.notes);
	for (size_t i = 0; i < ms->n; i++)
		mapping_add(&ss, lt, p, &ms->all[i], filter);
	c.segments = ss.all;
	c.n = ss.n;
	size = n < 0 ? err_set(e, n, "no core of %d: its thread %d is about "
				     "to end", p->pid, first->id.tid)
		     : corefile_write(&lt->t, &c, path, e);
	*out = (struct core_result){ (unsigned)n, (uint64_t)size };
	free(ss.all);
	buf_fini(&c.notes);
	return size < 0 ? (int)size : 0;
}

/* The slots of others are lost with an exec, and so are the threads. */
static int dump_halted(struct linux_target *lt, struct process *p, pid_t tid,
		       int signo, const char *path, struct core_result *out,
		       struct err *e)
{
	struct thread *first = thread_find(&lt->t, tid);
	struct mappings ms = { 0 };
	int r;

	if (!first || first->proc != p)
		return err_set(e, -ESRCH, "no core of %d: its thread %d has "
					  "ended", p->pid, tid);
	r = mappings_read(&ms, inferior_tid(p));
	if (r < 0)
		err_set(e, r, "no core of %d: cannot read its "
			      "/proc/%d/smaps: %s", p->pid, inferior_tid(p),
			strerror(-r));
	else
		r = write_image(lt, first, signo, &ms, path, out, e);
	mappings_fini(&ms);
	return r;
}

int core_dump(struct linux_target *lt, struct thread *first, int signo,
	      const char *path, struct core_result *out, struct err *e)
{
	struct process *p = first->proc;
	pid_t tid = first->id.tid;
	struct thread *th;
	int r;

	lwps_halt(lt, p);
	list_each(th, &p->threads, node)
		inject_unblock(lwp_of(th));
	r = dump_halted(lt, p, tid, signo, path, out, e);
	debug(SESSION, "%d: core %s: %d", p->pid, path, r);
	list_each(th, &p->threads, node) {
		if (th->running)
			lwp_run_on(lt, lwp_of(th));
	}
	return r;
}

static int linux_dump(struct target *t, struct thread *first, const char *path,
		      struct core_result *out, struct err *e)
{
	return core_dump(linux_of(t), first, -1, path, out, e);
}

const struct target_core_ops linux_core_ops = { .dump = linux_dump };
