/*
 * What a system call is about to change, by its number and arguments. The call
 * itself is made by follow.c.
 */
#include "translate/x86_64/watch.h"

#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "target/target.h"
#include "translate/block.h"
#include "translate/gate.h"
#include "translate/layer.h"
#include "translate/x86_64/constant.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

#define ARCH_SET_GS 0x1001
#define ARCH_GET_GS 0x1004

struct call {
	struct space *sp;
	uint64_t arg[6], stack;
};

typedef struct watch watch_fn(const struct call *c);

/* May others have the map read before the thread makes its call? */
static bool has_others(const struct space *sp)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < sp->trails->n_windows; i++)
		n += sp->windows_used[i];
	return n > 1;
}

/* What lies there goes or changes: of interest where we have code of it, or
 * know what it is. */
static struct watch over(const struct call *c, uint64_t lo, uint64_t len)
{
	uint64_t end = lo + ((len + 4095) & ~UINT64_C(4095));
	struct watch w = { .way = WATCH_NATIVE, .lo = lo, .hi = end };

	if (!blocks_touch(c->sp, lo, end) && !gates_touch(c->sp, lo, end) &&
	    !(has_others(c->sp) &&
	      maps_have(&c->sp->maps, lo, end, RANGE_X | RANGE_FILE)))
		w.way = WATCH_PLAIN;
	return w;
}

/* An executable range comes to be: it may have been tried before. */
static struct watch anew(struct watch w, const struct call *c, uint64_t len)
{
	c->sp->maps_stale = true;
	w.way = WATCH_NATIVE;
	w.by_result = true;
	w.hi = len;
	return w;
}

/* The range is mapped in another way, but not as code. To read the whole map
 * again costs more than all else that there is to do for such a call. */
static void remapped(const struct call *c, uint64_t lo, uint64_t len)
{
	if (maps_have(&c->sp->maps, lo, lo + len, RANGE_X | RANGE_FILE))
		space_changed(c->sp, lo, lo + len);
	else
		space_grown(c->sp);
}

/* Code relies on pointers there, and is to go. */
static void outdate(const struct call *c, struct watch *w)
{
	c->sp->outdated = true;
	w->way = WATCH_NATIVE;
}

/* What lies there goes. */
static struct watch replaced(const struct call *c, uint64_t lo, uint64_t len)
{
	struct watch w = over(c, lo, len);

	if (constants_go(c->sp, w.lo, w.hi))
		outdate(c, &w);
	return w;
}

/* With those rights, or in a process where whatever can be read is code? */
static bool makes_code(const struct call *c, uint64_t prot)
{
	return prot & PROT_EXEC || (c->sp->reads_execute && prot & PROT_READ);
}

static struct watch on_mmap(const struct call *c)
{
	struct watch w = { .way = WATCH_PLAIN };

	if (c->arg[3] & MAP_FIXED)
		w = replaced(c, c->arg[0], c->arg[1]);
	if (makes_code(c, c->arg[2]))
		return anew(w, c, c->arg[1]);
	remapped(c, c->arg[0], c->arg[3] & MAP_FIXED ? c->arg[1] : 0);
	return w;
}

static struct watch on_mprotect(const struct call *c)
{
	struct watch w = over(c, c->arg[0], c->arg[1]);

	w.stays = true;
	if ((c->arg[2] & (PROT_READ | PROT_WRITE)) != PROT_READ &&
	    constants_in(c->sp, w.lo, w.hi))
		outdate(c, &w);
	if (makes_code(c, c->arg[2]))
		w.way = WATCH_NATIVE;
	else
		remapped(c, c->arg[0], c->arg[1]);
	return w;
}

static struct watch on_munmap(const struct call *c)
{
	remapped(c, c->arg[0], c->arg[1]);
	return replaced(c, c->arg[0], c->arg[1]);
}

static struct watch on_mremap(const struct call *c)
{
	struct watch from = replaced(c, c->arg[0], c->arg[1]);
	struct watch w = { .way = WATCH_PLAIN };

	space_remapped(c->sp);
	if (c->arg[3] & MREMAP_FIXED)
		w = replaced(c, c->arg[4], c->arg[2]);
	if (w.way == WATCH_PLAIN && from.way == WATCH_PLAIN)
		return w;
	w = anew(w, c, c->arg[2]);
	w.also_lo = from.lo;
	w.also_hi = from.hi;
	return w;
}

static struct watch on_madvise(const struct call *c)
{
	return over(c, c->arg[0], c->arg[1]);
}

static struct watch on_shmat(const struct call *c)
{
	struct watch w = { .way = WATCH_PLAIN };

	space_remapped(c->sp);
	return c->arg[2] & (SHM_EXEC | SHM_REMAP) || c->sp->reads_execute
		       ? anew(w, c, 0)
		       : w;
}

/* Looked at where the heap is code: what there is above its new end goes. */
static struct watch on_brk(const struct call *c)
{
	uint64_t lo = (c->arg[0] + 4095) & ~UINT64_C(4095), hi = lo;
	const struct map_range *r;
	struct watch w = { .way = WATCH_PLAIN };

	if (!c->sp->reads_execute)
		return w;
	while ((r = space_find(c->sp, hi)))
		hi = r->hi;
	w = replaced(c, lo, hi - lo);
	w.way = WATCH_NATIVE;
	c->sp->maps_stale = true;
	return w;
}

/* From now on whatever the thread maps to be read is code, and what threads do
 * that it makes. Code that lets calls pass goes: pass.c. */
static struct watch on_personality(const struct call *c)
{
	struct watch w = { .way = WATCH_PLAIN };
	uint32_t persona = (uint32_t)c->arg[0];

	if (c->sp->reads_execute || persona == UINT32_MAX ||
	    !(persona & READ_IMPLIES_EXEC))
		return w;
	c->sp->reads_execute = true;
	outdate(c, &w);
	return w;
}

static struct watch on_arch_prctl(const struct call *c)
{
	bool gs = c->arg[0] == ARCH_SET_GS || c->arg[0] == ARCH_GET_GS;

	return (struct watch){ .way = gs ? WATCH_NATIVE : WATCH_PLAIN };
}

/* From now on nothing more can be mapped for us, and no call is ours. */
static void be_filtered(struct space *sp)
{
	space_provide(sp);
	space_use_traps(sp);
}

static struct watch on_seccomp(const struct call *c)
{
	if (c->arg[0] == SECCOMP_SET_MODE_STRICT ||
	    c->arg[0] == SECCOMP_SET_MODE_FILTER)
		be_filtered(c->sp);
	return (struct watch){ .way = WATCH_PLAIN };
}

static struct watch on_prctl(const struct call *c)
{
	if (c->arg[0] == PR_SET_SECCOMP)
		be_filtered(c->sp);
	return (struct watch){ .way = WATCH_PLAIN };
}

/*
 * The child would be in the cache, of which it has none. The server sees to
 * that, but not when it dies in that moment.
 */
static struct watch on_fork(const struct call *c)
{
	(void)c;
	return (struct watch){ .way = WATCH_FORK };
}

static struct watch on_clone(const struct call *c)
{
	bool shares = c->arg[0] & CLONE_VM;

	return (struct watch){ .way = shares ? WATCH_PLAIN : WATCH_FORK };
}

/* The flags are the first word of struct clone_args: clone(2). */
static struct watch on_clone3(const struct call *c)
{
	uint64_t flags;
	bool is_fork = target_read_all(c->sp->tr->lower, c->sp->by->proc,
				       c->arg[0], &flags, 8) == 0 &&
		       !(flags & CLONE_VM);

	return (struct watch){ .way = is_fork ? WATCH_FORK : WATCH_PLAIN };
}

static struct watch on_sigaction(const struct call *c)
{
	struct watch w = { .way = WATCH_PLAIN };

	if (c->arg[0] == SIGTRAP && c->arg[1] &&
	    target_read_all(c->sp->tr->lower, c->sp->by->proc, c->arg[1],
			    &w.action, sizeof(w.action)) == 0)
		w.way = WATCH_ACTION;
	return w;
}

/* Whoever is traced already cannot be traced by another. */
static struct watch on_ptrace(const struct call *c)
{
	struct watch w = { .way = WATCH_PLAIN };

	if (c->arg[0] == PTRACE_TRACEME)
		w.way = WATCH_LEAVE;
	if (c->arg[0] == PTRACE_ATTACH || c->arg[0] == PTRACE_SEIZE)
		w.traces = (int32_t)c->arg[1];
	return w;
}

/* Of some process, by a path that ends so. */
static void look_at_path(const struct call *c, uint64_t addr)
{
	static const char name[] = "mem";
	struct space *sp = c->sp;
	char path[4096], *last;
	ssize_t n = target_read(sp->tr->lower, sp->by->proc, addr, path,
				sizeof(path) - 1);

	path[n > 0 ? n : 0] = 0;
	last = strrchr(path, '/');
	if (!strcmp(last ? last + 1 : path, name))
		gates_yield(sp);
}

static struct watch on_open(const struct call *c)
{
	look_at_path(c, c->arg[0]);
	return (struct watch){ .way = WATCH_PLAIN };
}

static struct watch on_openat(const struct call *c)
{
	look_at_path(c, c->arg[1]);
	return (struct watch){ .way = WATCH_PLAIN };
}

/*
 * The step over the call takes a flag away that the frame has set, since the
 * kernel thinks that it was the step's. See struct sigcontext; uc_mcontext is
 * at 40.
 */
static struct watch on_sigreturn(const struct call *c)
{
	struct watch w = { .way = WATCH_RETURN };
	uint64_t flags;

	if (target_read_all(c->sp->tr->lower, c->sp->by->proc, c->stack + 176,
			    &flags, 8) == 0)
		w.steps = flags & FLAG_STEPS;
	return w;
}

struct watched {
	uint16_t nr;
	watch_fn *fn;
};

static const struct watched watched[] = {
	{ SYS_mmap, on_mmap },
	{ SYS_mprotect, on_mprotect },
	{ SYS_pkey_mprotect, on_mprotect },
	{ SYS_munmap, on_munmap },
	{ SYS_mremap, on_mremap },
	{ SYS_madvise, on_madvise },
	{ SYS_shmat, on_shmat },
	{ SYS_arch_prctl, on_arch_prctl },
	{ SYS_rt_sigreturn, on_sigreturn },
	{ SYS_rt_sigaction, on_sigaction },
	{ SYS_seccomp, on_seccomp },
	{ SYS_prctl, on_prctl },
	{ SYS_personality, on_personality },
	{ SYS_ptrace, on_ptrace },
	{ SYS_fork, on_fork },
	{ SYS_clone, on_clone },
	{ SYS_clone3, on_clone3 },
};

/* Watched at times: see gate.h. */
static const struct watched files[] = {
	{ SYS_open, on_open },
	{ SYS_openat, on_openat },
	{ SYS_creat, on_open },
	{ SYS_openat2, on_openat },
};

static const struct watched heap = { SYS_brk, on_brk };

#define N_FILES	  (sizeof(files) / sizeof(files[0]))
#define N_WATCHED (sizeof(watched) / sizeof(watched[0]))

void watch_table_fill(uint8_t *table)
{
	for (unsigned i = 0; i < N_WATCHED; i++)
		table[watched[i].nr] = 1;
}

void watch_files(struct space *sp, bool wanted)
{
	uint8_t *table = sp->tables + TAB_SYSCALLS - WIN_PAGE;

	for (unsigned i = 0; i < N_FILES; i++)
		table[files[i].nr] = wanted;
}

void watch_heap(struct space *sp, bool wanted)
{
	sp->tables[TAB_SYSCALLS - WIN_PAGE + heap.nr] = wanted;
}

static const uint16_t ends[] = { SYS_exit, SYS_exit_group, SYS_execve,
				 SYS_execveat };

void watch_ends(struct space *sp, bool wanted)
{
	uint8_t *table = sp->tables + TAB_SYSCALLS - WIN_PAGE;

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		table[ends[i]] = wanted;
}

bool watch_may_end(uint32_t nr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		if (ends[i] == nr)
			return true;
	}
	return false;
}

static watch_fn *fn_of(uint32_t nr)
{
	for (unsigned i = 0; i < N_WATCHED; i++) {
		if (watched[i].nr == nr)
			return watched[i].fn;
	}
	for (unsigned i = 0; i < N_FILES; i++) {
		if (files[i].nr == nr)
			return files[i].fn;
	}
	return nr == heap.nr ? heap.fn : NULL;
}

bool watch_wants(uint32_t nr)
{
	return fn_of(nr);
}

bool watch_matters(uint32_t nr)
{
	switch (nr) {
	case SYS_arch_prctl:
	case SYS_rt_sigreturn:
	case SYS_fork:
	case SYS_clone:
		return false;
	default:
		return watch_wants(nr);
	}
}

struct watch watch_call(struct space *sp, uint8_t *image)
{
	uint32_t nr = (uint32_t)*image_reg(image, IMAGE_RAX);
	struct call c = {
		.sp = sp,
		.arg = { *image_gpr(image, 7), *image_gpr(image, 6),
			 *image_gpr(image, 2), *image_gpr(image, 10),
			 *image_gpr(image, 8), *image_gpr(image, 9) },
		.stack = *image_reg(image, IMAGE_RSP),
	};
	watch_fn *fn = fn_of(nr);

	return fn ? fn(&c) : (struct watch){ .way = WATCH_PLAIN };
}
