/*
 * Is what MODE_FLOW tells what was executed? The program runs three times with
 * the same addresses: stepped by plain ptrace(2), which says each instruction;
 * followed with MODE_FLOW, of which the blocks say them too; and with
 * MODE_COUNT. The first two are to be the same, and the blocks as many as the
 * third has counted.
 *
 *	flow-check [--recent] [--alone] [--turned] [--cache BYTES] PROGRAM [ARG...]
 *
 * --recent: with a ring, of which the end is compared. --alone: no thread of
 * the server's own can be made, so that logs are read late. --turned: hints are of
 * a run without TR_REPEAT, so that what always branched then does not. The program
 * has one
 * thread, and does the same each time. Steps of one instruction that stays
 * where it is are one (rep); one that a signal kept from being executed is
 * none. Exits 0 when all is the same.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/x86_64/decode.h"
#include "base/map.h"
#include "base/mem.h"
#include "target/linux-ptrace/linux.h"
#include "target/target.h"
#include "translate/flow.h"
#include "translate/record.h"
#include "translate/translate.h"

struct list_of_pcs {
	uint64_t *all;
	size_t n, cap;
};

static void push(struct list_of_pcs *l, uint64_t pc)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 65536;
		l->all = xrealloc(l->all, l->cap * sizeof(*l->all));
	}
	l->all[l->n++] = pc;
}

/* --- stepped -------------------------------------------------------------- */

static void run_stepped(char **argv)
{
	personality(ADDR_NO_RANDOMIZE);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	execvp(argv[0], argv);
	_exit(127);
}

static uint64_t pc_of(pid_t pid)
{
	struct user_regs_struct r;

	ptrace(PTRACE_GETREGS, pid, NULL, &r);
	return r.rip;
}

/* Why it has stopped. */
enum why { STEPPED, ENTERED_HANDLER, SIGNALLED };

static enum why why_stopped(pid_t pid, int status)
{
	siginfo_t si;

	if (WSTOPSIG(status) != SIGTRAP)
		return SIGNALLED;
	ptrace(PTRACE_GETSIGINFO, pid, NULL, &si);
	/* See ptrace_notify() in the kernel; a step over a system call has
	 * TRAP_BRKPT. */
	if (si.si_code == SIGTRAP)
		return ENTERED_HANDLER;
	return si.si_code == TRAP_TRACE || si.si_code == TRAP_BRKPT ? STEPPED
								    : SIGNALLED;
}

/* Some virtual processors execute what is behind it in the same step. */
static bool is_cpuid(pid_t pid, uint64_t pc)
{
	return (ptrace(PTRACE_PEEKTEXT, pid, (void *)pc, NULL) & 0xffff) ==
	       0xa20f;
}

static int step_all(char **argv, struct list_of_pcs *l)
{
	pid_t pid = fork();
	int status, signo = 0;
	bool was_executed = false, is_emulated;
	uint64_t pc, now;
	enum why why;

	if (!pid)
		run_stepped(argv);
	waitpid(pid, &status, 0);
	now = pc_of(pid);
	for (;;) {
		pc = now;
		if (!was_executed || l->all[l->n - 1] != pc)
			push(l, pc);
		is_emulated = is_cpuid(pid, pc);
		ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(long)signo);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status))
			return status;
		now = pc_of(pid);
		why = why_stopped(pid, status);
		if (is_emulated && why == STEPPED && now != pc + 2)
			push(l, pc + 2);
		if (why == ENTERED_HANDLER || (why == SIGNALLED && now == pc))
			l->n--;
		signo = why == SIGNALLED ? WSTOPSIG(status) : 0;
		was_executed = why == STEPPED;
	}
}

/* --- alone ---------------------------------------------------------------- */

static bool is_alone;

/* In place of the library's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*start)(void *), void *arg)
{
	int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
		      void *);

	if (is_alone)
		return EAGAIN;
	*(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
	return create(thread, attr, start, arg);
}

/* --- followed ------------------------------------------------------------- */

struct told {
	struct list_of_pcs pcs;
	const struct flow_block **blocks; /* copies */
	uint64_t *begun;
	uint32_t n_blocks, n_turned;
	struct told_way {
		uint32_t *ids;
		size_t n;
	} * ways;
	uint32_t n_ways;
	uint32_t last;
	size_t n_told;
	unsigned cuts, gaps, lost, ends;
	bool exact, bad;
};

static void on_block(void *user, const struct flow_who *who, uint32_t id,
		     const struct flow_block *b)
{
	struct told *t = user;
	struct flow_block *copy = xmalloc(sizeof(*copy) + b->bytes);

	(void)who;
	if (id != t->n_blocks + 1)
		t->bad = true;
	*copy = *b;
	copy->code = memcpy(copy + 1, b->code, b->bytes);
	t->blocks = xrealloc(t->blocks, (id + 1) * sizeof(*t->blocks));
	t->begun = xrealloc(t->begun, (id + 1) * sizeof(*t->begun));
	t->blocks[id] = copy;
	t->n_turned += b->turned;
	t->begun[id] = 0;
	t->n_blocks = id;
}

static void push_block(struct told *t, const struct flow_block *b)
{
	struct x86_instr in;
	uint32_t at = 0;

	for (uint32_t n = 0; n < b->instructions; n++) {
		int length = x86_decode(b->code + at, b->bytes - at,
					X86_MODE_64, &in);

		push(&t->pcs, b->begin + at);
		at += length > 0 ? (uint32_t)length : 1;
	}
	if (t->pcs.all[t->pcs.n - 1] != b->last || at != b->bytes)
		t->bad = true;
}

static void on_path(void *user, const struct flow_who *who, const uint32_t *ids,
		    size_t n)
{
	struct told *t = user;

	(void)who;
	for (size_t i = 0; i < n; i++) {
		if (!ids[i] || ids[i] > t->n_blocks) {
			t->bad = true;
			return;
		}
		t->begun[ids[i]]++;
		push_block(t, t->blocks[ids[i]]);
	}
	t->n_told += n;
	t->last = ids[n - 1];
}

static uint32_t on_way(void *user, uint32_t image, const uint32_t *ids,
		       size_t n)
{
	struct told *t = user;
	uint32_t *copy = xmalloc(n * sizeof(*copy));

	(void)image;
	memcpy(copy, ids, n * sizeof(*copy));
	t->ways = xrealloc(t->ways, (t->n_ways + 1) * sizeof(*t->ways));
	t->ways[t->n_ways] = (struct told_way){ copy, n };
	return ++t->n_ways;
}

static void on_ways(void *user, const struct flow_who *who,
		    const uint32_t *ways, size_t n)
{
	struct told *t = user;

	for (size_t i = 0; i < n; i++) {
		if (!ways[i] || ways[i] > t->n_ways) {
			t->bad = true;
			return;
		}
		on_path(user, who, t->ways[ways[i] - 1].ids,
			t->ways[ways[i] - 1].n);
	}
}

static void on_cut(void *user, const struct flow_who *who,
		   uint32_t instructions)
{
	struct told *t = user;
	uint32_t all = t->last ? t->blocks[t->last]->instructions : 0;

	(void)who;
	t->cuts++;
	if (!instructions || instructions >= all) {
		t->bad = true;
		return;
	}
	t->pcs.n -= all - instructions;
}

static void on_gap(void *user, const struct flow_who *who, uint64_t pc)
{
	struct told *t = user;

	(void)who, (void)pc;
	t->gaps++;
}

static void on_lost(void *user, const struct flow_who *who)
{
	struct told *t = user;

	(void)who;
	t->lost++;
	t->pcs.n = 0;
}

static void on_end(void *user, const struct flow_who *who, bool exact)
{
	struct told *t = user;

	(void)who;
	t->ends++;
	t->exact = exact;
}

static int finish(struct target *t, pid_t pid)
{
	struct resume act = { .who = { pid, -1 }, .kind = RESUME_CONT };
	struct pollfd pfd = { .events = POLLIN };
	struct stop ev;

	sigfillset(&t->pass_signals);
	sigfillset(&t->program_signals);
	target_resume(t, &act, 1);
	for (;;) {
		pfd.fd = t->ops->event_fd(t);
		while (!t->ops->next_event(t, &ev, true))
			poll(&pfd, 1, translate_tick(t));
		if (ev.kind == STOP_EXITED)
			return ev.code << 8;
		if (ev.kind == STOP_KILLED)
			return ev.signo;
		act.who = ev.id;
		act.signo = ev.signo;
		target_resume(t, &act, 1);
	}
}

static const char *hints; /* NULL: none */

static int follow_all(char **argv, enum trace_mode mode, uint64_t cache,
		      struct told *told, enum flow_keep keep,
		      translate_end_fn *hits, void *user)
{
	struct flow_sink sink = {
		.block = on_block,
		.path = on_path,
		.cut = on_cut,
		.gap = on_gap,
		.lost = on_lost,
		.end = on_end,
		.user = told,
	};
	struct target *t = translate_new(linux_target_new());
	struct launch_spec spec = { .argv = argv, .envp = environ };
	struct err e = { "" };
	pid_t pid;
	int status;

	if (keep == FLOW_ALL) { /* the others are told blocks */
		sink.way = on_way;
		sink.ways = on_ways;
	}
	translate_set_flow(t, &sink, keep);
	translate_on_end(t, hits, user);
	if (cache)
		translate_cache_size(t, cache);
	if (hints)
		translate_hints(t, hints);
	pid = t->ops->launch(t, &spec, &e);
	if (pid < 0 ||
	    translate_follow(t, process_find(t, pid), mode, &e) < 0) {
		fprintf(stderr, "flow-check: %s\n", e.text);
		exit(2);
	}
	status = finish(t, pid);
	t->ops->free(t);
	return status;
}

/* --- comparing ------------------------------------------------------------ */

static void show(const char *who, const struct list_of_pcs *l, size_t at)
{
	size_t lo = at > 6 ? at - 6 : 0, hi = at + 6 < l->n ? at + 6 : l->n;

	printf("%s (%zu):", who, l->n);
	for (size_t i = lo; i < hi; i++)
		printf(i == at ? " [%#lx]" : " %#lx", l->all[i]);
	putchar('\n');
}

/* From the end, with a ring. */
static bool same_pcs(const struct list_of_pcs *a, const struct list_of_pcs *b,
		     bool recent)
{
	size_t skip = recent && b->n < a->n ? a->n - b->n : 0;
	struct list_of_pcs rest = { a->all + skip, a->n - skip, 0 };

	for (size_t i = 0; i < rest.n || i < b->n; i++) {
		if (i < rest.n && i < b->n && rest.all[i] == b->all[i])
			continue;
		printf("instruction %zu differs\n", i);
		show("stepped", &rest, i);
		show("told", b, i);
		return false;
	}
	return true;
}

static void count_hits(void *user, const struct translate_block *b)
{
	struct map *m = user;
	uintptr_t n = (uintptr_t)map_find(m, b->pc + 1);

	map_set(m, b->pc + 1, (void *)(n + b->hits));
}

static void on_hits(void *user, pid_t pid, const struct space *sp)
{
	(void)pid;
	translate_blocks_each(sp, count_hits, user);
}

/* What ran natively was counted only where a block began with it. */
static bool same_counts(const struct told *t, const struct map *hits)
{
	struct map begun[2] = { { NULL, 0, 0 }, { NULL, 0, 0 } };
	bool good = true;

	for (uint32_t id = 1; id <= t->n_blocks; id++) {
		uint64_t pc = t->blocks[id]->begin;
		struct map *m = &begun[t->blocks[id]->native];

		map_set(m, pc + 1, (char *)map_find(m, pc + 1) + t->begun[id]);
	}
	for (size_t i = 0; hits->slots && i <= hits->mask; i++) {
		uint64_t key = hits->slots[i].key;
		uintptr_t n = (uintptr_t)hits->slots[i].value, lo, more;

		lo = key ? (uintptr_t)map_find(&begun[0], key) : 0;
		more = key ? (uintptr_t)map_find(&begun[1], key) : 0;
		if (!key || (n >= lo && n <= lo + more))
			continue;
		printf("%#lx: counted %zu, told %zu, natively %zu\n", key - 1,
		       n, lo, more);
		good = false;
	}
	map_fini(&begun[0]);
	map_fini(&begun[1]);
	return good;
}

/* Of a run that does everything once. */
static void learn(char **argv, char *folder)
{
	char *repeat = xstrdup(getenv("TR_REPEAT") ? getenv("TR_REPEAT") : "1");
	struct told told = { 0 };

	hints = mkdtemp(folder);
	if (!hints)
		exit(2);
	unsetenv("TR_REPEAT");
	follow_all(argv, MODE_NONE, 0, &told, FLOW_ALL, NULL, NULL);
	setenv("TR_REPEAT", repeat, 1);
	free(repeat);
}

static void forget(void)
{
	DIR *d = opendir(hints);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	rmdir(hints);
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/tracestub-test.XXXXXX";
	struct list_of_pcs stepped = { 0 };
	struct told told = { 0 };
	struct map hits = { NULL, 0, 0 };
	bool recent = false, counts = true, turned = false, good;
	uint64_t cache = 0;
	int a, b;

	for (argv++, argc--; argc && argv[0][0] == '-'; argv++, argc--) {
		if (!strcmp(argv[0], "--recent"))
			recent = true;
		else if (!strcmp(argv[0], "--alone"))
			is_alone = true;
		else if (!strcmp(argv[0], "--turned"))
			turned = true;
		else if (!strcmp(argv[0], "--uncounted"))
			counts = false;
		else if (argc > 1 && !strcmp(argv[0], "--cache"))
			argc--, cache = strtoul(*++argv, NULL, 0);
	}
	if (!argc)
		return 2;
	if (turned)
		learn(argv, folder);
	a = step_all(argv, &stepped);
	b = follow_all(argv, MODE_FLOW, cache, &told,
		       recent ? FLOW_RECENT : FLOW_ALL, NULL, NULL);
	good = a == b && same_pcs(&stepped, &told.pcs, recent);
	if (!recent && counts) {
		follow_all(argv, MODE_COUNT, cache, &told, FLOW_ALL, on_hits,
			   &hits);
		good &= same_counts(&told, &hits);
	}
	if (a != b)
		printf("status %#x, followed %#x\n", a, b);
	if (told.bad || told.ends != 1 || !told.exact || told.gaps ||
	    (told.lost && !recent))
		good = printf("bad %d, ends %u, exact %d, gaps %u, lost %u\n",
			      told.bad, told.ends, told.exact, told.gaps,
			      told.lost) < 0;
	if (turned)
		forget();
	if (turned && !told.n_turned)
		good = printf("no branch is turned round\n") < 0;
	fprintf(stderr, "%zu instructions, %zu blocks, %u cuts: %s\n",
		told.pcs.n, told.n_told, told.cuts, good ? "same" : "DIFFERS");
	return !good;
}
