#include "target/linux-ptrace/corenote.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "target/linux-ptrace/siginfo.h"

#ifndef NT_SIGINFO
#define NT_SIGINFO 0x53494749
#define NT_FILE	   0x46494c45
#endif

#define AUXV_MAX 65536
#define ARGS_MAX 79 /* ELF_PRARGSZ and a zero */

static void pad(struct buf *out)
{
	while (out->len % 4)
		buf_putc(out, 0);
}

void note_put(struct buf *out, const char *owner, uint32_t type,
	      const void *data, size_t len)
{
	Elf64_Nhdr head = { (Elf64_Word)strlen(owner) + 1, (Elf64_Word)len,
			    type };

	buf_put(out, &head, sizeof(head)); /* the same for both classes */
	buf_put(out, owner, head.n_namesz);
	pad(out);
	buf_put(out, data, len);
	pad(out);
}

static void put_word(struct buf *out, unsigned word, uint64_t v)
{
	uint32_t v32 = (uint32_t)v;

	if (word == 4)
		buf_put(out, &v32, sizeof(v32));
	else
		buf_put(out, &v, sizeof(v));
}

/* --- the process --------------------------------------------------------- */

/* The kernel shows that of an i386 program to the end of a 64-bit pair. */
static size_t auxv_length(const struct buf *auxv, unsigned word)
{
	static const char end[8];
	size_t at = 0;

	while (at + 2 * word <= auxv->len) {
		at += 2 * word;
		if (!memcmp(auxv->data + at - 2 * word, end, word))
			break;
	}
	return at;
}

static void put_auxv(const struct process *p, struct buf *out)
{
	struct buf auxv = { 0 };

	if (file_read(&auxv, AUXV_MAX, "/proc/%d/auxv", inferior_tid(p)) > 0)
		note_put(out, "CORE", NT_AUXV, auxv.data,
			 auxv_length(&auxv, p->arch->word));
	buf_fini(&auxv);
}

/* What is in the core neither as memory nor by the name of a file is not. */
static bool is_told(const struct mapping *m)
{
	return m->flags & MAPPING_FILE &&
	       !(m->flags & MAPPING_UNWANTED && m->flags & MAPPING_DELETED);
}

/* Words are count, page size, and begin, end, page in the file of each. */
static void put_files(const struct process *p, const struct mappings *ms,
		      struct buf *out)
{
	unsigned word = p->arch->word;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), count = 0;
	struct buf rows = { 0 }, names = { 0 }, note = { 0 };

	for (size_t i = 0; i < ms->n; i++) {
		const struct mapping *m = &ms->all[i];

		if (!is_told(m))
			continue;
		count++;
		put_word(&rows, word, m->lo);
		put_word(&rows, word, m->hi);
		put_word(&rows, word, m->offset / page);
		buf_put(&names, m->name, strlen(m->name) + 1);
	}
	put_word(&note, word, count);
	put_word(&note, word, page);
	buf_put(&note, rows.data, rows.len);
	buf_put(&note, names.data, names.len);
	if (count)
		note_put(out, "CORE", NT_FILE, note.data, note.len);
	buf_fini(&rows);
	buf_fini(&names);
	buf_fini(&note);
}

/* Words apart by blanks, cut off where the kernel does. */
static void put_process(const struct process *p, struct buf *out)
{
	char args[ARGS_MAX + 1];
	struct task_facts f;
	ssize_t n;

	n = file_peek(args, sizeof(args), "/proc/%d/cmdline", inferior_tid(p));
	for (ssize_t i = 0; i < n; i++) {
		if (!args[i])
			args[i] = ' ';
	}
	args[n > 0 ? n : 0] = '\0';
	task_facts_read(&f, p->pid, 0);
	note_put_process(p, &f, args, out);
}

/* --- threads ------------------------------------------------------------- */

/* Of a thread that was only stopped because another one did: none. */
static int signal_of(const struct thread *th)
{
	switch (th->last.kind) {
	case STOP_SIGNAL:
		return th->last.signo;
	case STOP_STEP:
	case STOP_SWBREAK:
	case STOP_HWBREAK:
	case STOP_WATCH:
		return SIGTRAP;
	default:
		return 0;
	}
}

/* A signal that is not the one it stopped for comes from its tracer: see
 * ptrace_signal() in the kernel. */
static void make_siginfo(struct linux_target *lt, const struct process *p,
			 int signo, uint8_t image[static SIGINFO_SIZE])
{
	siginfo_t si = { .si_signo = signo, .si_code = SI_USER };

	si.si_pid = getpid();
	si.si_uid = getuid();
	if (p->arch == lt->arch32)
		siginfo_to_i386(&si, image);
	else
		memcpy(image, &si, SIGINFO_SIZE);
}

static void put_siginfo(struct linux_target *lt, struct thread *th, int signo,
			struct buf *out)
{
	uint8_t image[SIGINFO_SIZE];
	int32_t was = 0;

	if (linux_object_ops.read(&lt->t, th, OBJ_SIGINFO, 0, image,
				  sizeof(image)) == sizeof(image))
		memcpy(&was, image, sizeof(was));
	if (was != signo)
		make_siginfo(lt, th->proc, signo, image);
	note_put(out, "CORE", NT_SIGINFO, image, sizeof(image));
}

/* Every status names the process's signal, as the kernel's do: gdb takes that
 * of the last. own is what the thread itself stopped for, or 0. */
static int put_thread(struct linux_target *lt, struct thread *th, int signo,
		      int own, struct buf *out)
{
	struct lwp *lwp = lwp_of(th);
	struct task_facts f;
	int r;

	/* A leader's times are those of all of its process. */
	r = task_facts_read(&f, th->proc->pid,
			    th->id.tid == th->proc->pid ? 0 : th->id.tid);
	if (r < 0)
		return r;
	if (th->dirty)
		target_regs_flush(&lt->t, th);
	if (!note_put_status(lwp, &f, signo, out))
		return -ESRCH;
	if (own)
		put_siginfo(lt, th, own, out);
	note_put_regsets(lt, lwp, out);
	return 0;
}

int notes_put(struct linux_target *lt, struct thread *first, int signo,
	      const struct mappings *ms, struct buf *out)
{
	struct process *p = first->proc;
	struct thread *th;
	int r, n = 1;

	if (signo < 0)
		signo = signal_of(first);
	r = put_thread(lt, first, signo, signo, out);
	if (r < 0)
		return r;
	put_process(p, out);
	put_auxv(p, out);
	put_files(p, ms, out);
	list_each(th, &p->threads, node) {
		if (th != first &&
		    put_thread(lt, th, signo, signal_of(th), out) == 0)
			n++;
	}
	note_put_layout(&lt->xsave, out);
	return n;
}
