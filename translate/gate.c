#include "translate/gate.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lifeline.h"
#include "base/log.h"
#include "base/mem.h"
#include "translate/block.h"
#include "translate/layer.h"
#include "translate/x86_64/watch.h"

#define PAGE 4096u

/* More writes than that within the time (5 ms of CPU, measured against what
 * comparing costs java and javac), and a page is hot; for so long at
 * first, and twice as long each time that it proves to be hot again. */
#define WRITES_MAX 256
#define WINDOW_MS  1000
#define HOT_MS	   1000
#define HEAT_MAX   6

/*
 * The lock covers what the reader, a thread of ours, sees: the map, and of a
 * gate all but unknown, writable and bytes. The records come and go, and gates
 * are armed, in the main thread alone.
 */
struct gates {
	struct space *sp;
	const struct target_protect_ops *ops;
	int fd;	  /* of the protection; -1: there is none */
	int wake; /* the reader's eventfd */
	pthread_t reader;
	pthread_mutex_t lock;
	struct map all; /* page number + 1 -> struct gate */
	unsigned n_hot;
	bool ending;
};

/* The byte's bits are none of a process id. */
static void set_flag(struct gate *g, bool v)
{
	__atomic_store_n(g->rg->map + g->flag_at, v ? LIFELINE_WAITED >> 24 : 0,
			 __ATOMIC_RELEASE);
}

/* The reader changes states too: one is looked at once, without the lock by the
 * main thread alone. */
static enum gate_state state_of(const struct gate *g)
{
	return __atomic_load_n(&g->state, __ATOMIC_ACQUIRE);
}

bool gate_is_hot(const struct gate *g)
{
	enum gate_state state = state_of(g);

	return state == GATE_HOT || state == GATE_COOL;
}

static void set_state(struct gate *g, enum gate_state state)
{
	__atomic_store_n(&g->state, state, __ATOMIC_RELEASE);
}

static struct gate *find(const struct gates *gs, uint64_t addr)
{
	return map_find(&gs->all, addr / PAGE + 1);
}

/* --- the reader ---------------------------------------------------------- */

/* Nothing else on this path: a thread of the program waits. */
static void take_write(struct gates *gs, uint64_t addr)
{
	struct gate *g;

	pthread_mutex_lock(&gs->lock);
	g = find(gs, addr);
	if (g && state_of(g) != GATE_HOT) {
		set_flag(g, true);
		if (state_of(g) == GATE_ARMED)
			set_state(g, GATE_OPEN);
		g->written++;
	}
	gs->ops->disarm(gs->fd, addr & -(uint64_t)PAGE, PAGE);
	pthread_mutex_unlock(&gs->lock);
	__atomic_fetch_add(&gs->sp->tr->stats.pages_written, 1,
			   __ATOMIC_RELAXED);
}

/* Hot pages whose time has come are tried again. */
static void cool(struct gates *gs)
{
	int64_t now = clock_coarse_ms();

	pthread_mutex_lock(&gs->lock);
	for (size_t i = 0; gs->all.slots && i <= gs->all.mask; i++) {
		struct gate *g = gs->all.slots[i].value;

		if (!gs->all.slots[i].key || state_of(g) != GATE_HOT ||
		    now - g->since < (int64_t)HOT_MS << g->heat)
			continue;
		set_state(g, GATE_COOL);
		gs->n_hot--;
		set_flag(g, true);
	}
	pthread_mutex_unlock(&gs->lock);
}

static bool must_cool(struct gates *gs)
{
	unsigned n;

	pthread_mutex_lock(&gs->lock);
	n = gs->n_hot;
	pthread_mutex_unlock(&gs->lock);
	return n;
}

static void *read_writes(void *user)
{
	struct gates *gs = user;
	struct pollfd fds[2] = { { gs->fd, POLLIN, 0 },
				 { gs->wake, POLLIN, 0 } };
	uint64_t addr;

	while (!__atomic_load_n(&gs->ending, __ATOMIC_ACQUIRE)) {
		poll(fds, 2, must_cool(gs) ? WINDOW_MS / 4 : -1);
		while (gs->ops->take(gs->fd, &addr) > 0)
			take_write(gs, addr);
		if (fds[1].revents)
			(void)!read(gs->wake, &addr, sizeof(addr));
		if (must_cool(gs))
			cool(gs);
	}
	return NULL;
}

static void reader_wake(struct gates *gs)
{
	const uint64_t one = 1;

	if (gs->fd >= 0)
		(void)!write(gs->wake, &one, sizeof(one));
}

/* Signals are for the main thread: the target waits for them. */
static bool reader_start(struct gates *gs)
{
	sigset_t all, old;
	int r;

	gs->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gs->wake < 0)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&gs->reader, NULL, read_writes, gs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		close(gs->wake);
	return r == 0;
}

/* --- beginning and end --------------------------------------------------- */

static void protection_make(struct gates *gs)
{
	struct target *lower = gs->sp->tr->lower;
	struct err e = { 0 };

	gs->fd = -1;
	if (!gs->ops)
		return;
	gs->fd = gs->ops->make(lower, gs->sp->by, &e);
	if (gs->fd < 0) {
		debug(SESSION, "code that changes is compared: %s", e.text);
	} else if (!reader_start(gs)) {
		close(gs->fd);
		gs->fd = -1;
	} else {
		watch_files(gs->sp, true);
	}
}

static struct gates *gates_of(struct space *sp)
{
	struct gates *gs = sp->gates;

	if (gs)
		return gs;
	gs = sp->gates = xcalloc(1, sizeof(*gs));
	gs->sp = sp;
	gs->ops = sp->tr->lower->ops->protect;
	pthread_mutex_init(&gs->lock, NULL);
	protection_make(gs);
	return gs;
}

static void gate_free(struct gate *g)
{
	if (g->lives)
		lifeline_end(g->life);
	free(g->bytes);
	free(g);
}

void gates_flush(struct space *sp)
{
	struct gates *gs = sp->gates;

	if (!gs)
		return;
	pthread_mutex_lock(&gs->lock);
	for (size_t i = 0; gs->all.slots && i <= gs->all.mask; i++) {
		struct gate *g = gs->all.slots[i].value;

		if (gs->all.slots[i].key)
			gate_free(g);
	}
	map_fini(&gs->all);
	gs->n_hot = 0;
	pthread_mutex_unlock(&gs->lock);
}

static void protection_end(struct gates *gs)
{
	if (gs->fd < 0)
		return;
	__atomic_store_n(&gs->ending, true, __ATOMIC_RELEASE);
	reader_wake(gs);
	pthread_join(gs->reader, NULL);
	close(gs->wake);
	close(gs->fd);
	gs->fd = -1;
}

void gates_yield(struct space *sp)
{
	struct gates *gs = sp->gates;

	if (!gs)
		return;
	/* First: nobody writes before it is known. */
	gates_open(sp, 0, UINT64_MAX);
	protection_end(gs);
	watch_files(sp, false);
}

bool gates_watch_files(const struct space *sp)
{
	return sp->gates && sp->gates->fd >= 0;
}

void gates_free(struct space *sp)
{
	struct gates *gs = sp->gates;

	if (!gs)
		return;
	protection_end(gs);
	gates_flush(sp);
	pthread_mutex_destroy(&gs->lock);
	free(gs);
	sp->gates = NULL;
}

/* --- a page is armed ----------------------------------------------------- */

static bool has_gates(const struct map_range *r)
{
	return r && r->flags & RANGE_X &&
	       !(r->flags & (RANGE_FILE | RANGE_SHARE)) &&
	       strcmp(r->name, "[heap]") && strncmp(r->name, "[stack", 6) &&
	       strncmp(r->name, "[v", 2); /* the kernel's */
}

static void page_drop(struct space *sp, const struct gate *g)
{
	blocks_drop(sp, g->addr, g->addr + PAGE);
}

/* False: the page can have no gate. */
static bool look_up(struct gates *gs, struct gate *g, const struct map_range *r)
{
	if (!has_gates(r))
		return false;
	g->writable = r->flags & RANGE_W;
	if (g->writable &&
	    (gs->fd < 0 || gs->ops->watch(gs->fd, r->lo, r->hi - r->lo) < 0))
		return false;
	g->unknown = false;
	return true;
}

static bool arm(struct gates *gs, struct gate *g)
{
	int r = 0;

	pthread_mutex_lock(&gs->lock);
	set_state(g, GATE_ARMED);
	if (g->writable)
		r = gs->ops->arm(gs->fd, g->addr, PAGE);
	if (r < 0)
		set_state(g, GATE_OPEN);
	pthread_mutex_unlock(&gs->lock);
	return r >= 0;
}

/* What was written to since it was armed stays open. */
static void shut(struct gates *gs, struct gate *g)
{
	pthread_mutex_lock(&gs->lock);
	if (state_of(g) == GATE_ARMED)
		set_flag(g, false);
	pthread_mutex_unlock(&gs->lock);
}

static void heat(struct gates *gs, struct gate *g)
{
	pthread_mutex_lock(&gs->lock);
	set_state(g, GATE_HOT);
	g->since = clock_coarse_ms();
	gs->n_hot++;
	pthread_mutex_unlock(&gs->lock);
	page_drop(gs->sp, g);
	set_flag(g, false);
	gs->sp->tr->stats.pages_hot++;
	reader_wake(gs);
}

/* True: it is hot now. */
static bool has_heated(struct gates *gs, struct gate *g)
{
	int64_t now = clock_coarse_ms();
	unsigned written;

	pthread_mutex_lock(&gs->lock);
	if (now - g->since > WINDOW_MS) {
		g->since = now;
		g->written = 0;
	}
	written = g->written;
	pthread_mutex_unlock(&gs->lock);
	if (written <= WRITES_MAX)
		return false;
	heat(gs, g);
	return true;
}

/* Blocks that compare their bytes go, and it is as any. */
static void cool_down(struct gates *gs, struct gate *g)
{
	page_drop(gs->sp, g);
	pthread_mutex_lock(&gs->lock);
	set_state(g, GATE_OPEN);
	g->since = clock_coarse_ms();
	g->written = WRITES_MAX / 2; /* it may well be again */
	g->heat += g->heat < HEAT_MAX;
	pthread_mutex_unlock(&gs->lock);
}

static bool compare(struct gates *gs, struct gate *g)
{
	struct space *sp = gs->sp;
	uint8_t fresh[PAGE];

	if (target_read(sp->tr->lower, sp->by->proc, g->addr, fresh, PAGE) !=
	    PAGE)
		return false;
	if (!memcmp(fresh, g->bytes, PAGE))
		return true;
	blocks_compare(sp, g->addr, g->bytes, fresh);
	memcpy(g->bytes, fresh, PAGE);
	return true;
}

/* What it was armed for may be no more. */
static void open_gate(struct gates *gs, struct gate *g)
{
	pthread_mutex_lock(&gs->lock);
	if (state_of(g) == GATE_HOT)
		gs->n_hot--;
	set_state(g, gate_is_hot(g) ? GATE_COOL : GATE_OPEN);
	set_flag(g, true);
	pthread_mutex_unlock(&gs->lock);
	g->unknown = true;
}

/* False: no gate can be there (any more). */
static bool renew(struct gates *gs, struct gate *g, const struct map_range *r)
{
	if (g->unknown && !look_up(gs, g, r ? r : space_find(gs->sp, g->addr)))
		return false;
	if (state_of(g) == GATE_COOL)
		cool_down(gs, g);
	if (state_of(g) != GATE_OPEN || has_heated(gs, g))
		return true;
	if (!arm(gs, g))
		return false;
	/* What was armed may be unmapped by now, by another thread. */
	if (!compare(gs, g)) {
		open_gate(gs, g);
		return false;
	}
	shut(gs, g);
	return true;
}

static struct gate *gate_new(struct gates *gs, uint64_t page)
{
	struct region *rg = space_region(gs->sp, page, NULL);
	struct gate *g;
	uint32_t at;

	if (!rg || !region_has_room(rg))
		return NULL;
	g = xcalloc(1, sizeof(*g));
	g->addr = page;
	g->rg = rg;
	at = region_data(rg, sizeof(*g->life));
	g->life = (void *)(rg->map + at);
	g->flag_at = at + offsetof(struct lifeline, word) + 3;
	g->lives = lifeline_spare();
	if (g->lives)
		lifeline_begin(g->life, 0);
	g->unknown = true;
	g->since = clock_coarse_ms();
	g->bytes = xcalloc(1, PAGE);
	set_flag(g, true);
	pthread_mutex_lock(&gs->lock);
	map_set(&gs->all, page / PAGE + 1, g);
	pthread_mutex_unlock(&gs->lock);
	return g;
}

struct gate *gate_prepare(struct space *sp, uint64_t page,
			  const struct map_range *range)
{
	struct gates *gs;
	struct gate *g;

	if (!has_gates(range))
		return NULL;
	gs = gates_of(sp);
	g = find(gs, page);
	if (!g) {
		g = gate_new(gs, page);
		/* A region that is made for it has the map read again. */
		range = space_find(sp, page);
	}
	return g && range && renew(gs, g, range) ? g : NULL;
}

void gates_renew(struct space *sp, uint64_t lo, uint64_t hi)
{
	uint64_t page = lo & -(uint64_t)PAGE;

	for (; sp->gates && page < hi; page += PAGE) {
		struct gate *g = find(sp->gates, page);

		sp->tr->stats.pages_compared++;
		if (g && !renew(sp->gates, g, NULL))
			page_drop(sp, g);
	}
}

/* --- what calls change --------------------------------------------------- */

/* Those of the range, until fn says that it is enough. */
typedef bool gate_fn(struct gates *gs, struct gate *g);

static bool each(struct gates *gs, uint64_t lo, uint64_t hi, gate_fn *fn)
{
	uint64_t page = lo & -(uint64_t)PAGE;

	if (!gs || lo >= hi)
		return false;
	if ((hi - page) / PAGE < gs->all.count) {
		for (; page < hi; page += PAGE) {
			struct gate *g = find(gs, page);

			if (g && fn(gs, g))
				return true;
		}
		return false;
	}
	for (size_t i = 0; gs->all.slots && i <= gs->all.mask; i++) {
		struct gate *g = gs->all.slots[i].value;

		if (gs->all.slots[i].key && g->addr + PAGE > lo &&
		    g->addr < hi && fn(gs, g))
			return true;
	}
	return false;
}

static bool open_one(struct gates *gs, struct gate *g)
{
	open_gate(gs, g);
	return false;
}

void gates_open(struct space *sp, uint64_t lo, uint64_t hi)
{
	each(sp->gates, lo, hi, open_one);
}

static bool disarm_one(struct gates *gs, struct gate *g)
{
	open_gate(gs, g);
	if (g->writable)
		gs->ops->disarm(gs->fd, g->addr, PAGE);
	return false;
}

void gates_disarm(struct space *sp, uint64_t lo, uint64_t hi)
{
	each(sp->gates, lo, hi, disarm_one);
}

static bool is_known(struct gates *gs, struct gate *g)
{
	(void)gs;
	return !g->unknown;
}

/* Their pages stay protected: the next write to one lifts that. */
void gates_evict(struct space *sp, const struct region *rg)
{
	struct gates *gs = sp->gates;
	struct map kept = { 0 };

	if (!gs)
		return;
	pthread_mutex_lock(&gs->lock);
	for (size_t i = 0; gs->all.slots && i <= gs->all.mask; i++) {
		struct gate *g = gs->all.slots[i].value;

		if (!gs->all.slots[i].key)
			continue;
		if (g->rg != rg) {
			map_set(&kept, gs->all.slots[i].key, g);
			continue;
		}
		gs->n_hot -= state_of(g) == GATE_HOT;
		page_drop(sp, g);
		gate_free(g);
	}
	map_fini(&gs->all);
	gs->all = kept;
	pthread_mutex_unlock(&gs->lock);
}

bool gates_touch(const struct space *sp, uint64_t lo, uint64_t hi)
{
	return each(sp->gates, lo, hi, is_known);
}
