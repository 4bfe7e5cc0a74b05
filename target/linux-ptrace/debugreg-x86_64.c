/*
 * The debug registers DR0-DR3, DR6, DR7: SDM vol. 3, 18.2. Each thread has
 * its own; the process's records say what they should hold, and a generation
 * count tells a thread that is about to run whether its own are out of date.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "target/linux-ptrace/debugreg.h"
#include "target/linux-ptrace/lwp.h"

#define DR_STATUS 6
#define DR_CONTROL 7

#define MAX_WATCH (N_DEBUG_ADDRESSES * 8u)

static long debugreg_poke(struct lwp *lwp, unsigned n, unsigned long v)
{
	return ptrace(PTRACE_POKEUSER, lwp->tid,
		      offsetof(struct user, u_debugreg[n]), v);
}

static unsigned long debugreg_peek(struct lwp *lwp, unsigned n)
{
	long v;

	errno = 0;
	v = ptrace(PTRACE_PEEKUSER, lwp->tid,
		   offsetof(struct user, u_debugreg[n]), 0);
	return errno ? 0 : (unsigned long)v;
}

/* R/W field: 0 execute, 1 write, 3 read or write; there is no read alone. */
static unsigned long control_bits(const struct debug_address *d, unsigned n)
{
	unsigned rw = d->pt->kind == POINT_HW	 ? 0
		      : d->pt->kind == POINT_WRITE ? 1
						   : 3;
	/* LEN field: 0 one byte, 1 two, 3 four, 2 eight. */
	unsigned len = d->len == 8 ? 2 : d->len - 1;

	return (unsigned long)(rw | len << 2) << (16 + 4 * n) | 1ul << (2 * n);
}

/* The part of the control register that is about one address. */
static unsigned long slot_mask(unsigned n)
{
	return 0xful << (16 + 4 * n) | 3ul << (2 * n);
}

static void wanted(const struct inferior *inf, struct debug_registers *r)
{
	*r = (struct debug_registers){ inf->debug_generation, 0, { 0 } };
	for (unsigned i = 0; i < N_DEBUG_ADDRESSES; i++) {
		if (!inf->debug[i].pt)
			continue;
		r->addr[i] = inf->debug[i].addr;
		r->control |= control_bits(&inf->debug[i], i);
	}
}

/* The slots of r that are not as those of other, as bits of the control
 * register. */
static unsigned long slots_unlike(const struct debug_registers *r,
				  const struct debug_registers *other)
{
	unsigned long unlike = 0;

	for (unsigned i = 0; i < N_DEBUG_ADDRESSES; i++) {
		unsigned long mask = slot_mask(i);

		if (r->control & mask &&
		    (r->addr[i] != other->addr[i] ||
		     (r->control ^ other->control) & mask))
			unlike |= mask;
	}
	return unlike;
}

/*
 * Each of these writes costs as much as a step. Clients take breakpoints out
 * at a stop, step, and put them back: so nothing is written for what comes back
 * as it was, and what is to go stays for a step. Should it trap then, it
 * belongs to no point, and the step goes on.
 */
void debugreg_sync(struct lwp *lwp, bool step)
{
	struct inferior *inf = inferior_of(lwp->proc);
	struct debug_registers want, *have = &lwp->debug;
	unsigned long fresh, stale;

	if (have->generation == inf->debug_generation)
		return;
	wanted(inf, &want);
	fresh = slots_unlike(&want, have);
	stale = slots_unlike(have, &want);
	if (step && !fresh)
		return;
	/* Off first: an address must fit the length that is in force. */
	if (have->control & fresh)
		debugreg_poke(lwp, DR_CONTROL, have->control & ~(fresh | stale));
	for (unsigned i = 0; i < N_DEBUG_ADDRESSES; i++) {
		if (fresh & slot_mask(i))
			debugreg_poke(lwp, i, want.addr[i]);
	}
	if (fresh | stale)
		debugreg_poke(lwp, DR_CONTROL, want.control);
	*have = want;
}

/* The longest aligned piece at the start of a range. */
static unsigned piece_len(uint64_t addr, uint64_t len)
{
	unsigned n = 8;

	while (n > len || addr % n)
		n /= 2;
	return n;
}

static void read_value(struct target *t, struct process *p,
		       struct debug_address *d)
{
	if (d->pt->kind == POINT_READ)
		linux_read_mem(t, p, d->addr, d->value, d->len);
}

static bool do_anything(struct linux_target *lt)
{
	if (!lt->debugregs)
		lt->debugregs = debugreg_probe(NULL) == -ENODEV ? -ENODEV : 1;
	return lt->debugregs > 0;
}

int debugreg_insert(struct target *t, struct process *p, struct point *pt)
{
	struct inferior *inf = inferior_of(p);
	uint64_t addr = pt->addr, left = pt->kind == POINT_HW ? 1 : pt->size;
	struct debug_address set[N_DEBUG_ADDRESSES];

	if (!left || left > MAX_WATCH)
		return left ? -ENOSPC : -EINVAL;
	if (!do_anything(linux_of(t)))
		return -ENODEV;
	memcpy(set, inf->debug, sizeof(set));
	for (unsigned i = 0; i < N_DEBUG_ADDRESSES && left; i++) {
		if (set[i].pt)
			continue;
		set[i].pt = pt;
		set[i].addr = addr;
		set[i].len = piece_len(addr, left);
		read_value(t, p, &set[i]);
		addr += set[i].len;
		left -= set[i].len;
	}
	if (left)
		return -ENOSPC;
	memcpy(inf->debug, set, sizeof(set));
	if (!inf->debug_generation++)
		guardian_debug(guardian_of(t, p), p->pid);
	pt->inserted = true;
	return 0;
}

void debugreg_remove(struct process *p, struct point *pt)
{
	struct inferior *inf = inferior_of(p);

	for (unsigned i = 0; i < N_DEBUG_ADDRESSES; i++) {
		if (inf->debug[i].pt == pt)
			inf->debug[i].pt = NULL;
	}
	inf->debug_generation++;
	pt->inserted = false;
}

void debugreg_forget(struct process *p)
{
	struct inferior *inf = inferior_of(p);

	for (unsigned i = 0; i < N_DEBUG_ADDRESSES; i++)
		inf->debug[i].pt = NULL;
	if (inf->debug_generation)
		inf->debug_generation++;
}

/*
 * The hardware watches reads and writes together. What changed the value was
 * a write, and is not what a read watchpoint is about.
 */
static bool was_read(struct target *t, struct process *p,
		     struct debug_address *d)
{
	uint8_t before[sizeof(d->value)];

	memcpy(before, d->value, sizeof(before));
	read_value(t, p, d);
	return !memcmp(before, d->value, d->len);
}

static bool is_in(const struct stop *st, const struct point *pt)
{
	for (unsigned i = 0; i < st->n_watch; i++) {
		if (st->watch[i].point == pt->kind &&
		    st->watch[i].addr - pt->addr < pt->size)
			return true;
	}
	return false;
}

/* Each point once, also when several of its pieces were touched. */
static void add_watch(struct stop *st, const struct debug_address *d)
{
	if (is_in(st, d->pt))
		return;
	if (!st->n_watch) {
		st->kind = STOP_WATCH;
		st->addr = d->addr;
		st->point = d->pt->kind;
	}
	st->watch[st->n_watch++] = (struct watch_hit){
		.addr = d->addr,
		.point = d->pt->kind,
	};
}

_Static_assert(STOP_MAX_WATCH >= N_DEBUG_ADDRESSES, "all may be hit");

bool debugreg_hit(struct target *t, struct lwp *lwp, struct stop *out)
{
	struct inferior *inf = inferior_of(lwp->proc);
	unsigned long status = debugreg_peek(lwp, DR_STATUS);

	debugreg_poke(lwp, DR_STATUS, 0);
	out->kind = STOP_NONE;
	out->n_watch = 0;
	for (unsigned i = 0; i < N_DEBUG_ADDRESSES; i++) {
		struct debug_address *d = &inf->debug[i];

		if (!(status >> i & 1) || !d->pt)
			continue;
		if (d->pt->kind == POINT_READ && !was_read(t, lwp->proc, d))
			continue;
		if (d->pt->kind != POINT_HW)
			add_watch(out, d);
		else if (!out->n_watch)
			out->kind = STOP_HWBREAK;
	}
	return out->kind != STOP_NONE;
}
