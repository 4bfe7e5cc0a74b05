#include "target/linux-ptrace/guardian.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "target/linux-ptrace/lwp.h"

#define LOOK_SECONDS 2

/* --- putting back -------------------------------------------------------- */

static DIR *tasks_open(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return opendir(path);
}

static int task_mem_open(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/mem", pid, tid);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* A leader that has ended before the rest has no memory to show. */
int guard_mem_open(pid_t pid)
{
	int mem = task_mem_open(pid, pid);
	struct dirent *d;
	DIR *dir;

	dir = mem < 0 ? tasks_open(pid) : NULL;
	while (dir && mem < 0 && (d = readdir(dir)))
		mem = task_mem_open(pid, atoi(d->d_name));
	if (dir)
		closedir(dir);
	return mem;
}

static ssize_t mem_read(void *user, uint64_t addr, void *buf, size_t len)
{
	return pread64(*(int *)user, buf, len, (off64_t)addr);
}

static ssize_t mem_write(void *user, uint64_t addr, const void *buf, size_t len)
{
	return pwrite64(*(int *)user, buf, len, (off64_t)addr);
}

struct orphan_memory guard_memory(int *mem)
{
	return (struct orphan_memory){ mem_read, mem_write, mem };
}

/* Only over our own trap: the memory may have been mapped anew since. */
static void restore(int mem, const struct guard *e)
{
	const struct guard_trap *t = &e->trap;
	uint8_t now[ARCH_TRAP_MAX];

	if (pread64(mem, now, t->len, (off64_t)e->addr) == t->len &&
	    !memcmp(now, t->trap, t->len) &&
	    pwrite64(mem, t->original, t->len, (off64_t)e->addr) < 0)
		debug(SESSION, "guardian: %d: %m", e->pid);
}

static void restore_all(const struct guardian *g)
{
	const struct guard *e = NULL;
	pid_t pid = 0;
	int mem = -1;

	while ((e = guard_next(g, e))) {
		if (e->kind != GUARD_TRAP)
			continue;
		if (e->pid != pid) {
			close(mem);
			pid = e->pid;
			mem = guard_mem_open(pid);
		}
		restore(mem, e);
	}
	close(mem);
}

/* Calls fn for each thread of a process. */
typedef void task_fn(struct guardian *g, pid_t pid, pid_t tid);

static void each_task(struct guardian *g, pid_t pid, task_fn *fn)
{
	DIR *dir = tasks_open(pid);
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (atoi(d->d_name) > 0)
			fn(g, pid, atoi(d->d_name));
	}
	if (dir)
		closedir(dir);
}

static pid_t tracer_of(pid_t pid)
{
	char status[4096], *field;

	if (file_peek(status, sizeof(status), "/proc/%d/status", pid) <= 0)
		return 0;
	field = strstr(status, "\nTracerPid:");
	return field ? atoi(field + strlen("\nTracerPid:")) : 0;
}

/* As its parent's, when the server traced it but had no time to know it. */
static void restore_child(const struct guardian *g, pid_t parent, pid_t child)
{
	const struct guard *e = NULL;
	int mem;

	if (guard_has(g, child))
		return;
	mem = guard_mem_open(child);
	while ((e = guard_next(g, e))) {
		if (e->kind == GUARD_TRAP && e->pid == parent)
			restore(mem, e);
	}
	close(mem);
}

/*
 * It may be at a place in the same code as its parent, but have none of it: it
 * must not run before it is put back.
 */
static void adopt_child(struct guardian *g, pid_t parent, pid_t child)
{
	const struct guard *e = guard_find(g, GUARD_CODE, parent, 0);

	if (!e || guard_find(g, GUARD_CODE, child, 0))
		return;
	kill(child, SIGSTOP);
	guard_hold(g, child, child);
	guardian_code(g, child, &e->code);
}

/* Calls fn for each child of a thread. */
typedef void child_fn(struct guardian *g, pid_t parent, pid_t child);

static void each_child(struct guardian *g, pid_t pid, pid_t tid, child_fn *fn)
{
	char list[4096], *p = list, *end;

	if (file_peek(list, sizeof(list), "/proc/%d/task/%d/children", pid,
		      tid) <= 0)
		return;
	for (;; p = end) {
		long child = strtol(p, &end, 10);

		if (end == p)
			return;
		fn(g, pid, (pid_t)child);
	}
}

static void take_child(struct guardian *g, pid_t parent, pid_t child)
{
	if (tracer_of(child) != g->server)
		return;
	restore_child(g, parent, child);
	adopt_child(g, parent, child);
}

static void take_children(struct guardian *g, pid_t pid, pid_t tid)
{
	each_child(g, pid, tid, take_child);
}

/*
 * A thread whose trap the server had taken in, but not undone yet, would go on
 * behind the breakpoint: in the middle of an instruction. A SIGSTOP that waits
 * for it is taken before it executes any (get_signal() in the kernel's
 * signal.c), and it can be put back.
 */
static bool is_behind_trap(const struct guardian *g, pid_t pid, pid_t tid)
{
	const struct guard *e = NULL;
	char text[128];
	uint64_t pc;

	if (file_peek(text, sizeof(text), "/proc/%d/task/%d/syscall", pid,
		      tid) <= 0 ||
	    sscanf(text, "-1 %*x %" SCNx64, &pc) != 1)
		return false;
	while ((e = guard_next(g, e))) {
		if (e->kind == GUARD_TRAP && e->pid == pid &&
		    e->addr + e->trap.len == pc)
			return true;
	}
	return false;
}

static void hold(struct guardian *g, pid_t pid, pid_t tid)
{
	syscall(SYS_tgkill, pid, tid, SIGSTOP);
	guard_hold(g, pid, tid);
}

static void hold_behind_trap(struct guardian *g, pid_t pid, pid_t tid)
{
	if (!is_behind_trap(g, pid, tid))
		return;
	hold(g, pid, tid);
}

/*
 * A thread that the server has not set going yet has its parent's registers,
 * and in code of the layer above the two must not run at the same time. It may
 * be either of them that has just left the call.
 */
static void hold_newborn(struct guardian *g, pid_t pid, pid_t tid)
{
	char text[128];
	long nr;

	if (file_peek(text, sizeof(text), "/proc/%d/task/%d/syscall", pid,
		      tid) <= 0 ||
	    sscanf(text, "%ld", &nr) != 1 ||
	    (nr != SYS_clone && nr != SYS_clone3))
		return;
	hold(g, pid, tid);
}

/*
 * A thread whose stop by the layer's code the server had not waited for takes
 * its SIGSTOP when it is let go, and the whole process would stop. Continued
 * before that, it does not: do_signal_stop() in the kernel's signal.c.
 */
static bool is_stopped_by_code(const struct guard *e, pid_t tid)
{
	char text[128];
	uint64_t pc;

	return file_peek(text, sizeof(text), "/proc/%d/task/%d/syscall", e->pid,
			 tid) > 0 &&
	       sscanf(text, "%*d %*x %*x %*x %*x %*x %*x %*x %" SCNx64, &pc) ==
		       1 &&
	       e->code.ops->is_stop(e->code.data, pc);
}

static bool catches_sigcont(pid_t pid)
{
	const uint64_t bit = UINT64_C(1) << (SIGCONT - 1);
	char status[4096], *field;

	if (file_peek(status, sizeof(status), "/proc/%d/status", pid) <= 0)
		return true;
	field = strstr(status, "\nSigCgt:");
	return !field || strtoull(field + strlen("\nSigCgt:"), NULL, 16) & bit;
}

static void keep_from_stopping(const struct guard *e)
{
	DIR *dir = catches_sigcont(e->pid) ? NULL : tasks_open(e->pid);
	bool found = false;
	struct dirent *d;

	while (dir && !found && (d = readdir(dir)))
		found = is_stopped_by_code(e, atoi(d->d_name));
	if (found)
		kill(e->pid, SIGCONT);
	if (dir)
		closedir(dir);
}

/* The signal of the stop that the thread is in, as long as nobody has waited
 * for it: exit_code in proc_pid_stat(5), the last field. */
static int signal_not_taken(pid_t pid, pid_t tid)
{
	char text[1024], *last;

	if (file_peek(text, sizeof(text), "/proc/%d/task/%d/stat", pid, tid) <=
	    0)
		return 0;
	last = strrchr(text, ' ');
	return last ? atoi(last) : 0;
}

/*
 * It comes before the thread executes anything, if we do. Only what some
 * program has queued can say that it is from there: rt_tgsigqueueinfo(2).
 */
static void send_again(const struct guard *e)
{
	const struct guard_signal *s = e->signal;
	int signo = (int)__atomic_load_n(&s->signo, __ATOMIC_SEQ_CST);
	siginfo_t info = s->info;

	if (signo == signal_not_taken(e->pid, (pid_t)e->addr))
		return;
	if (signo && syscall(SYS_rt_tgsigqueueinfo, e->pid, (pid_t)e->addr,
			     signo, &info) < 0)
		syscall(SYS_tgkill, e->pid, (pid_t)e->addr, signo);
}

/*
 * A thread that was made to make a call goes on behind it, with registers that
 * are none of the program's: nothing is as urgent. It is stopped anew when the
 * process has been continued.
 */
static void hold_callers(const struct guardian *g)
{
	const struct guard *e = NULL;

	while ((e = guard_next(g, e))) {
		if (e->kind == GUARD_CALL)
			syscall(SYS_tgkill, e->pid, (pid_t)e->addr, SIGSTOP);
	}
}

static void hold_threads(struct guardian *g)
{
	const struct guard *e = NULL;

	while ((e = guard_next(g, e))) {
		if (e->kind == GUARD_CODE)
			keep_from_stopping(e);
	}
	while ((e = guard_next(g, e))) {
		if (e->kind == GUARD_CODE)
			each_task(g, e->pid, hold_newborn);
		if (e->kind == GUARD_SIGNAL)
			send_again(e);
		if (e->kind == GUARD_CALL)
			hold(g, e->pid, (pid_t)e->addr);
		if (e->kind == GUARD_TRAP && guard_is_first(g, e))
			each_task(g, e->pid, hold_behind_trap);
	}
}

/* --- threads ------------------------------------------------------------- */

/* Threads are touched only where there is more than bytes to undo. */
static struct seized {
	pid_t pid, tid;
	bool done;
} * seized;
static size_t n_seized, cap_seized;
static struct map seized_tids;

static void seize(struct guardian *g, pid_t pid, pid_t tid)
{
	(void)g;
	if (map_find(&seized_tids, (uint64_t)tid) ||
	    !guardian_seize_thread(tid))
		return;
	GROW(seized, n_seized, cap_seized, 64);
	seized[n_seized++] = (struct seized){ .pid = pid, .tid = tid };
	map_set(&seized_tids, (uint64_t)tid, g);
}

static bool all_done(pid_t pid)
{
	for (size_t i = 0; i < n_seized; i++) {
		if (seized[i].pid == pid && !seized[i].done)
			return false;
	}
	return true;
}

/* All of its threads have been put back. */
static void let_go_of_held(const struct guardian *g, pid_t pid)
{
	const struct guard *e = NULL;

	while ((e = guard_next(g, e))) {
		if (e->kind == GUARD_HELD && e->pid == pid) {
			kill(pid, SIGCONT);
			return;
		}
	}
}

/* Patience with a thread in an uninterruptible wait. One in code that will not
 * do without us is waited for to the end: for its vfork child, most likely. */
#define ROUNDS	 1000
#define PAUSE_US 200
#define LONG_US	 20000

static bool is_given_up(const struct guardian *g, const struct seized *s,
			unsigned round)
{
	return round >= ROUNDS && !guard_find(g, GUARD_CODE, s->pid, 0);
}

/* Returns how many are still to be waited for. */
static size_t mend_some(struct guardian *g, unsigned round)
{
	size_t left = 0;

	for (size_t i = 0; i < n_seized; i++) {
		struct seized *s = &seized[i];

		if (s->done)
			continue;
		s->done = guardian_mend_thread(g, s->pid, s->tid) ||
			  is_given_up(g, s, round);
		left += !s->done;
		if (s->done && all_done(s->pid))
			let_go_of_held(g, s->pid);
	}
	return left;
}

/* What a thread was making when the server died is nobody's. */
static void seize_threads(struct guardian *g)
{
	const struct guard *e = NULL;

	while ((e = guard_next(g, e))) {
		if (e->kind != GUARD_TRAP && guard_is_first(g, e))
			each_task(g, e->pid, seize);
	}
}

static void adopt_vfork_child(struct guardian *g, pid_t parent, pid_t child)
{
	const struct guard *e = guard_find(g, GUARD_CODE, parent, 0);

	if (e && !guard_find(g, GUARD_CODE, child, 0))
		guardian_code(g, child, &e->code);
}

/* So too a vfork child, for which a thread that does not stop may wait. */
static void seize_vfork_children(struct guardian *g)
{
	for (size_t i = 0; i < n_seized; i++) {
		if (!seized[i].done)
			each_child(g, seized[i].pid, seized[i].tid,
				   adopt_vfork_child);
	}
}

/* They are looked for often at first, and once more when all are done. */
static void mend_threads(struct guardian *g)
{
	unsigned round = 0;
	size_t left, known;

	do {
		known = n_seized;
		left = mend_some(g, round);
		if (!left || round % 50 < 5) {
			seize_vfork_children(g);
			seize_threads(g);
		}
		if (round++)
			usleep(round < ROUNDS ? PAUSE_US : LONG_US);
	} while (left || n_seized > known);
}

/* Children are found too late to be looked at for their own. */
static void prepare_code(struct guardian *g)
{
	const struct guard *e = NULL;
	struct orphan_memory memory;
	int mem;

	while ((e = guard_next(g, e))) {
		if (e->kind != GUARD_CODE)
			continue;
		mem = guard_mem_open(e->code.memory);
		memory = guard_memory(&mem);
		e->code.ops->prepare(e->code.data, &memory);
		close(mem);
	}
}

static void find_children(struct guardian *g)
{
	const struct guard *e = NULL;

	while ((e = guard_next(g, e))) {
		if (e->kind == GUARD_CODE ||
		    (e->kind == GUARD_TRAP && guard_is_first(g, e)))
			each_task(g, e->pid, take_children);
	}
}

static void put_back(struct guardian *g)
{
	hold_callers(g);
	restore_all(g);
	prepare_code(g);
	hold_threads(g);
	/* What it traced is released and its children get a new parent in
	 * one go: forget_original_parent() in the kernel's exit.c. Forks that
	 * were under way may end until then. */
	do
		find_children(g);
	while (getppid() == g->server && usleep(50) == 0);
	mend_threads(g);
}

/* --- its life ------------------------------------------------------------ */

/*
 * Until the server has died. Its word does not tell when the list of such
 * words, in its memory, was lost before: so now and then its parent is looked
 * at. That comes late, but not never.
 */
static void wait_for_death(struct guardian *g)
{
	const uint32_t alive = (uint32_t)g->server | LIFELINE_WAITED;
	const struct timespec most = { .tv_sec = LOOK_SECONDS };

	do {
		syscall(SYS_futex, &g->life.word, FUTEX_WAIT, alive, &most,
			NULL, 0);
	} while (!(__atomic_load_n(&g->life.word, __ATOMIC_SEQ_CST) &
		   LIFELINE_DEAD) &&
		 getppid() == g->server);
}

static noreturn void guard(struct guardian *g)
{
	guard_go_private();
	wait_for_death(g);
	put_back(g);
	_exit(0);
}

struct guardian *guardian_new(void)
{
	struct guardian *g;
	pid_t pid;

	g = mmap(NULL, GUARDIAN_SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (g == MAP_FAILED)
		return NULL;
	g->server = getpid();
	guardian_arena_init(g);
	lifeline_begin(&g->life, LIFELINE_WAITED);
	guard_be_brief();
	pid = fork();
	if (pid == 0)
		guard(g);
	debug(SESSION, "guardian: %d", pid);
	if (pid < 0) {
		lifeline_end(&g->life);
		guardian_arena_fini(g);
		munmap(g, GUARDIAN_SIZE);
		return NULL;
	}
	g->pid = pid;
	return g;
}

void guardian_free(struct guardian *g)
{
	if (!g)
		return;
	kill(g->pid, SIGKILL);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	lifeline_end(&g->life);
	guardian_arena_fini(g);
	munmap(g, GUARDIAN_SIZE);
}
