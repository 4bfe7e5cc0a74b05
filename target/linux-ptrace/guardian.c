#include "target/linux-ptrace/guardian.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "target/linux-ptrace/lwp.h"

/* Address space alone: pages are allocated as entries come into use. */
#define SHARED_SIZE (32u << 20)
#define TABLE_MAX                                           \
	((SHARED_SIZE - offsetof(struct guardian, table)) / \
	 sizeof(struct guard))

/* --- the table, as the server keeps it ----------------------------------- */

static struct guard *entry_new(struct guardian *g, pid_t pid, uint64_t addr)
{
	struct guard *e;

	if (!g || (!g->first_free && g->used == TABLE_MAX))
		return NULL;
	if (g->first_free) {
		e = &g->table[g->first_free - 1];
		g->first_free = e->next_free;
	} else {
		e = &g->table[g->used];
		__atomic_store_n(&g->used, g->used + 1, __ATOMIC_RELEASE);
	}
	e->pid = pid;
	e->addr = addr;
	return e;
}

static void entry_publish(struct guard *e, enum guard_kind kind)
{
	__atomic_store_n(&e->kind, kind, __ATOMIC_SEQ_CST);
}

static void entry_drop(struct guardian *g, struct guard *e)
{
	__atomic_store_n(&e->kind, GUARD_FREE, __ATOMIC_SEQ_CST);
	e->next_free = g->first_free;
	g->first_free = (uint32_t)(e - g->table) + 1;
}

uint8_t *guardian_trap(struct guardian *g, pid_t pid, const struct arch *a,
		       uint64_t addr, const uint8_t *original)
{
	struct guard *e = entry_new(g, pid, addr);

	if (!e)
		return NULL;
	memcpy(e->trap.original, original, ARCH_TRAP_MAX);
	memcpy(e->trap.trap, a->trap, ARCH_TRAP_MAX);
	e->trap.len = a->trap_len;
	entry_publish(e, GUARD_TRAP);
	return e->trap.original;
}

void guardian_trap_gone(struct guardian *g, uint8_t *original)
{
	if (g && original)
		entry_drop(g, (void *)(original - offsetof(struct guard,
							   trap.original)));
}

void guardian_point(struct guardian *g, pid_t pid, uint64_t addr,
		    const struct guard_point *at)
{
	struct guard *e = entry_new(g, pid, addr);

	if (!e)
		return;
	e->point = *at;
	entry_publish(e, GUARD_POINT);
}

void guardian_debug(struct guardian *g, pid_t pid)
{
	struct guard *e = entry_new(g, pid, 0);

	if (e)
		entry_publish(e, GUARD_DEBUG);
}

void guardian_copy_points(struct guardian *g, pid_t from, pid_t to)
{
	for (uint32_t i = 0, n = g ? g->used : 0; i < n; i++) {
		struct guard *e = &g->table[i];

		if (e->kind == GUARD_POINT && e->pid == from)
			guardian_point(g, to, e->addr, &e->point);
	}
}

void guardian_move(struct guardian *g, pid_t from, pid_t to)
{
	for (uint32_t i = 0; g && i < g->used; i++) {
		struct guard *e = &g->table[i];

		if (e->pid == from &&
		    (e->kind == GUARD_TRAP || e->kind == GUARD_POINT))
			e->pid = to;
	}
}

void guardian_forget(struct guardian *g, pid_t pid)
{
	for (uint32_t i = 0; g && i < g->used; i++) {
		struct guard *e = &g->table[i];

		if (e->kind != GUARD_FREE && e->pid == pid)
			entry_drop(g, e);
	}
}

/* --- the table, as the guardian reads it --------------------------------- */

/* The next entry in use behind e (NULL: the first). */
static const struct guard *entry_next(const struct guardian *g,
				      const struct guard *e)
{
	uint32_t n = __atomic_load_n(&g->used, __ATOMIC_ACQUIRE);

	for (e = e ? e + 1 : g->table; e < g->table + n; e++) {
		if (__atomic_load_n(&e->kind, __ATOMIC_ACQUIRE) != GUARD_FREE)
			return e;
	}
	return NULL;
}

const struct guard *guard_find(const struct guardian *g, enum guard_kind kind,
			       pid_t pid, uint64_t addr)
{
	const struct guard *e = NULL;

	while ((e = entry_next(g, e))) {
		if (e->kind == kind && e->pid == pid && e->addr == addr)
			return e;
	}
	return NULL;
}

/* Of its process, among breakpoints or among the rest. */
static bool is_first(const struct guardian *g, const struct guard *of)
{
	const struct guard *e = NULL;

	while ((e = entry_next(g, e)) && e != of) {
		if (e->pid == of->pid &&
		    (e->kind == GUARD_TRAP) == (of->kind == GUARD_TRAP))
			return false;
	}
	return true;
}

static bool pid_has(const struct guardian *g, pid_t pid)
{
	const struct guard *e = NULL;

	while ((e = entry_next(g, e))) {
		if (e->pid == pid)
			return true;
	}
	return false;
}

/* --- putting back -------------------------------------------------------- */

static int mem_open(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, O_RDWR | O_CLOEXEC);
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

	while ((e = entry_next(g, e))) {
		if (e->kind != GUARD_TRAP)
			continue;
		if (e->pid != pid) {
			close(mem);
			pid = e->pid;
			mem = mem_open(pid);
		}
		restore(mem, e);
	}
	close(mem);
}

/* Calls fn for each thread of a process. */
typedef void task_fn(const struct guardian *g, pid_t pid, pid_t tid);

static void each_task(const struct guardian *g, pid_t pid, task_fn *fn)
{
	struct dirent *d;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
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

	if (pid_has(g, child) || tracer_of(child) != g->server)
		return;
	mem = mem_open(child);
	while ((e = entry_next(g, e))) {
		if (e->kind == GUARD_TRAP && e->pid == parent)
			restore(mem, e);
	}
	close(mem);
}

static void restore_children(const struct guardian *g, pid_t pid, pid_t tid)
{
	char list[4096], *p = list, *end;

	if (file_peek(list, sizeof(list), "/proc/%d/task/%d/children", pid,
		      tid) <= 0)
		return;
	for (;; p = end) {
		long child = strtol(p, &end, 10);

		if (end == p)
			return;
		restore_child(g, pid, (pid_t)child);
	}
}

/* Threads are touched only where there is more than bytes to undo. */
static void mend_threads(const struct guardian *g)
{
	const struct guard *e = NULL;

	while ((e = entry_next(g, e))) {
		if (e->kind != GUARD_TRAP && is_first(g, e))
			each_task(g, e->pid, guardian_mend_thread);
	}
}

static void put_back(const struct guardian *g)
{
	const struct guard *e = NULL;

	restore_all(g);
	while ((e = entry_next(g, e))) {
		if (e->kind == GUARD_TRAP && is_first(g, e))
			each_task(g, e->pid, restore_children);
	}
	/* What it traced is released and its children get a new parent in
	 * one go: forget_original_parent() in the kernel's exit.c. */
	while (getppid() == g->server)
		usleep(50);
	mend_threads(g);
}

/* --- its life ------------------------------------------------------------ */

static void close_all(void)
{
	if (close_range(0, ~0u, 0) == 0)
		return;
	for (int fd = (int)sysconf(_SC_OPEN_MAX) - 1; fd >= 0; fd--)
		close(fd);
}

/* struct sched_attr of sched_setattr(2), which glibc does not declare. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/*
 * It sleeps until it has some tens of microseconds to do at once, and on a
 * busy machine too it has to come before the server's exit has ended. Where
 * real-time scheduling is not allowed, a short slice gets it on a CPU sooner
 * (from Linux 6.12 on).
 */
static void be_urgent(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	const struct attributes brief = {
		.size = sizeof(brief),
		.policy = SCHED_OTHER,
		.runtime = 100000,
	};

	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		syscall(SYS_sched_setattr, 0, &brief, 0);
}

/* Nothing of the server's is kept: no port, no terminal, no directory; and
 * what ends the server's process group does not reach it. */
static void go_private(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	log_select("none");
	close_all();
	if (chdir("/") < 0)
		_exit(1);
	prctl(PR_SET_NAME, "tracestub-guard");
	be_urgent();
}

static noreturn void guard(struct guardian *g)
{
	go_private();
	if (pthread_mutex_lock(&g->life) == EOWNERDEAD)
		put_back(g);
	_exit(0);
}

static int life_init(struct guardian *g)
{
	pthread_mutexattr_t attr;
	int r;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	r = pthread_mutex_init(&g->life, &attr);
	pthread_mutexattr_destroy(&attr);
	return r ? r : pthread_mutex_lock(&g->life);
}

struct guardian *guardian_new(void)
{
	struct guardian *g;
	pid_t pid;

	g = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (g == MAP_FAILED)
		return NULL;
	g->server = getpid();
	pid = life_init(g) ? -1 : fork();
	if (pid == 0)
		guard(g);
	debug(SESSION, "guardian: %d", pid);
	if (pid < 0) {
		munmap(g, SHARED_SIZE);
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
	pthread_mutex_unlock(&g->life);
	pthread_mutex_destroy(&g->life);
	munmap(g, SHARED_SIZE);
}
