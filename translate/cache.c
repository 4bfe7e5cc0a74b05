/*
 * Memory in common with the debuggee: what is mapped, and how it is shared out
 * to streams, stubs and windows. Nothing is written here but stubs and tables.
 */
#include "translate/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/lifeline.h"
#include "base/mem.h"
#include "translate/block.h"
#include "translate/collects.h"
#include "translate/counts.h"
#include "translate/flows.h"
#include "translate/gate.h"
#include "translate/inject.h"
#include "translate/layer.h"
#include "translate/prints.h"
#include "translate/probes.h"
#include "translate/ring.h"
#include "translate/trail.h"
#include "translate/x86_64/code.h"
#include "translate/x86_64/constant.h"
#include "translate/x86_64/emit.h"
#include "translate/x86_64/watch.h"
#include "translate/x86_64/window.h"

/* Slots and pages that were read. */
#define SCRATCH_SIZE                                                 \
	(TAB_DIRECT * (sizeof(struct slot_use) + sizeof(uint32_t)) + \
	 2 * TAB_DIRECT / 8 +                                        \
	 (CODE_PAGES + POINTER_PAGES) * sizeof(struct code_page))
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
/* Few programs have fewer blocks, once they have begun. */
#define BLOCKS_SOON 6000
/* The first window's page, the tables, and those of the others: its own is not
 * used. So that is a window, mapped once. */
#define POOL_SIZE   ((uint64_t)WINDOWS_MAX * WIN_PAGE)
#define COMMON_SIZE (WIN_PAGE + TAB_SIZE + POOL_SIZE)

/* --- memory in common ---------------------------------------------------- */

/* A hint for mmap(2): below the first region, so that what the program maps
 * lies where it would without us. */
static uint64_t out_of_the_way(struct space *sp, uint64_t len)
{
	if (!sp->low)
		sp->low = sp->regions[0]->addr;
	if (sp->low <= len + (UINT64_C(1) << 32))
		return 0;
	sp->low -= (len + 4095) & ~UINT64_C(4095);
	return sp->low;
}

#define RESERVE_TRIES 4

/* Where something is in the way, the kernel maps it as high as it can: right
 * below the libraries, where their regions are to be. The next one is lower. */
static int64_t reserve(struct space *sp, uint64_t len)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint64_t at;
	int64_t r;

	for (unsigned tries = 1;; tries++) {
		at = out_of_the_way(sp, len);
		r = inject_mmap(sp, at, len, PROT_NONE, flags, -1, 0);
		if (!at || inject_failed(r) || (uint64_t)r == at ||
		    tries == RESERVE_TRIES)
			return r;
		inject_munmap(sp, (uint64_t)r, len);
	}
}

/* A place of that many bytes: a reserve, of which the ends go again. */
static uint64_t place(struct space *sp, uint64_t size, uint64_t align)
{
	int64_t r = reserve(sp, size + align);
	uint64_t lo = (uint64_t)r, at = (lo + align - 1) & -align;

	if (inject_failed(r))
		return 0;
	if (at > lo)
		inject_munmap(sp, lo, at - lo);
	inject_munmap(sp, at + size, lo + align - at);
	return at;
}

uint8_t *space_map(struct space *sp, const char *name, uint64_t size,
		   uint64_t align, uint64_t *addr, struct err *e)
{
	int remote;
	uint8_t *map = inject_share(sp, name, size, &remote, e);
	uint64_t at = map ? place(sp, size, align) : 0;
	int64_t r = -1;

	if (at)
		r = inject_mmap(sp, at, size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, remote, 0);
	if (map)
		inject_call(sp, SYS_close, (uint64_t[6]){ (uint64_t)remote });
	*addr = at;
	if (map && !inject_failed(r))
		inject_withhold(sp, at, size);
	if (!map || !inject_failed(r))
		return map;
	munmap(map, size);
	err_set(e, -ENOMEM, "the program cannot map %lu bytes", size);
	return NULL;
}

/* --- tables and windows -------------------------------------------------- */

/* Calls there are looked at from now on: x86_64/pass.c. */
static void tell_mapped(const struct space *sp)
{
	uint8_t *table = sp->tables + TAB_MAPPED - WIN_PAGE;
	const uint64_t slots = TAB_GROWN - TAB_MAPPED;

	for (size_t i = 0; i < sp->maps.n; i++) {
		const struct map_range *r = &sp->maps.all[i];
		uint64_t n = r->lo >> 21, end = (r->hi - 1) >> 21;

		if (!(r->flags & (RANGE_X | RANGE_FILE)))
			continue;
		if (end - n >= slots)
			end = n + slots - 1;
		for (; n <= end; n++)
			table[n & (slots - 1)] = 1;
	}
}

/* What is not known leads to the server. They are zeros elsewhere. */
static void tables_begin(struct space *sp)
{
	watch_table_fill(sp->tables + TAB_SYSCALLS - WIN_PAGE);
	watch_files(sp, gates_watch_files(sp));
	watch_heap(sp, sp->reads_execute);
	watch_ends(sp, sp->flow != NULL);
	tell_mapped(sp);
}

#define ENTRIES_PAGES (TAB_DIRECT * 8 / WIN_PAGE)

/* Those of a direct-mapped one all lead there. A page that is written whole by
 * write(2) need not be cleared before: that takes two thirds of the time of a
 * fault. What is left to do for it then the kernel does for 16 pages at once. */
static void entries_begin(const struct space *sp, int fd, uint32_t table,
			  uint32_t to)
{
	const uint64_t bytes = TAB_DIRECT * sizeof(uint64_t);
	uint64_t page[WIN_PAGE / sizeof(uint64_t)];
	uint8_t *all = sp->tables + table - WIN_PAGE;
	struct iovec pages[ENTRIES_PAGES];

	for (size_t i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = sp->regions[0]->addr + to;
	for (size_t i = 0; i < ENTRIES_PAGES; i++)
		pages[i] = (struct iovec){ page, sizeof(page) };
	if (fd >= 0 &&
	    pwritev(fd, pages, ENTRIES_PAGES, table) == (ssize_t)bytes) {
		madvise(all, bytes, MADV_POPULATE_READ);
		return;
	}
	for (uint64_t at = 0; at < bytes; at += sizeof(page))
		memcpy(all + at, page, sizeof(page));
}

/* fd: of the memory in common, in which the tables are as in a window; -1: it
 * is there already. */
static void direct_begin(const struct space *sp, int fd)
{
	const struct region *rg = sp->regions[0];

	entries_begin(sp, fd, TAB_RETURNS, rg->return_fix);
	entries_begin(sp, fd, TAB_INDIRECT, rg->indirect_fix);
}

void tables_reset(struct space *sp)
{
	if (sp->n_pairs[0] || sp->n_pairs[1])
		memset(sp->tables + TAB_RETURNS_ALL - WIN_PAGE, 0,
		       TAB_LIFE - TAB_RETURNS_ALL);
	sp->n_pairs[0] = sp->n_pairs[1] = 0;
	memset(sp->shared[0], 0, 2 * TAB_DIRECT / 8);
	memset(sp->tables + TAB_SYSCALLS - WIN_PAGE, 0,
	       TAB_RETURNS - TAB_SYSCALLS);
	tables_begin(sp);
	direct_begin(sp, -1);
}

static struct lifeline *space_life(const struct space *sp)
{
	return (void *)(sp->tables + TAB_LIFE - WIN_PAGE);
}

/* They and the first region, which mostly lies right behind. */
static void withhold_first(struct space *sp, uint64_t at)
{
	uint64_t region = sp->regions[0]->addr, len = COMMON_SIZE;

	if (region == at + len)
		len += sp->layout.size;
	else
		inject_withhold(sp, region, sp->layout.size);
	inject_withhold(sp, at, len);
}

static bool tables_map(struct space *sp, struct err *e)
{
	int remote, here;
	uint8_t *map;
	int64_t at;

	map = inject_share_file(sp, "tracestub-data", COMMON_SIZE, &remote,
				&here, e);
	if (!map)
		return false;
	sp->tables = map + WIN_PAGE;
	sp->pool = sp->tables + TAB_SIZE;
	direct_begin(sp, here);
	close(here);
	at = inject_mmap(sp, out_of_the_way(sp, COMMON_SIZE), COMMON_SIZE,
			 PROT_READ | PROT_WRITE, MAP_SHARED, remote, 0);
	inject_call(sp, SYS_close, (uint64_t[6]){ (uint64_t)remote });
	lifeline_begin(space_life(sp), 0);
	if (!inject_failed(at)) {
		sp->trails->windows[0] = (uint64_t)at;
		sp->tables_addr = sp->trails->tables_addr =
			(uint64_t)at + WIN_PAGE;
		withhold_first(sp, (uint64_t)at);
		return true;
	}
	err_set(e, -ENOMEM, "the program cannot map the cache's tables");
	return false;
}

static int window_number(const struct space *sp)
{
	unsigned n_windows = sp->trails->n_windows;

	for (unsigned n = 0; n < n_windows; n++) {
		if (!sp->windows_used[n])
			return (int)n;
	}
	return n_windows < WINDOWS_MAX ? (int)n_windows : -1;
}

/* A second mapping of shared memory, in the place of what is at `to`, which
 * forked children do not have either: mremap(2), old_size 0. */
static bool alias(struct space *sp, uint64_t from, uint64_t len, uint64_t to)
{
	uint64_t args[6] = { from, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, to };

	return !inject_failed(inject_call(sp, SYS_mremap, args));
}

/* A place of its own for the page, with the tables behind it. */
static uint64_t window_map(struct space *sp, int n)
{
	const int reserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint64_t page = sp->tables_addr + TAB_SIZE + (uint64_t)n * WIN_PAGE;
	int64_t at = inject_mmap(sp, out_of_the_way(sp, TAB_END), TAB_END,
				 PROT_NONE, reserve, -1, 0);

	if (inject_failed(at))
		return 0;
	if (alias(sp, page, WIN_PAGE, (uint64_t)at) &&
	    alias(sp, sp->tables_addr, TAB_SIZE, (uint64_t)at + WIN_PAGE))
		return (uint64_t)at;
	inject_munmap(sp, (uint64_t)at, TAB_END);
	return 0;
}

int window_new(struct space *sp, struct err *e)
{
	int n = window_number(sp);

	if (n < 0)
		return err_set(e, -1, "more than %d threads", WINDOWS_MAX);
	if (!window_addr(sp, n))
		sp->trails->windows[n] = window_map(sp, n);
	if (!window_addr(sp, n))
		return err_set(e, -1, "the program cannot map a window");
	memset(window_page(sp, n), 0, WIN_PAGE);
	sp->windows_used[n] = true;
	ring_begin(sp, n);
	collect_begin(sp, n);
	if (n == (int)sp->trails->n_windows)
		sp->trails->n_windows++;
	return n;
}

void windows_collect(struct space *sp)
{
	for (unsigned n = 1; n < sp->trails->n_windows; n++) {
		uint64_t at = window_addr(sp, (int)n);

		if (sp->windows_used[n] || !at)
			continue;
		sp->trails->windows[n] = 0;
		inject_munmap(sp, at, TAB_END);
		sp->tr->stats.windows_collected++;
	}
}

void space_use_traps(struct space *sp)
{
	sp->only_traps = true;
	for (unsigned i = 0; i < sp->n_regions; i++)
		emit_stop_traps(sp->regions[i]->map + sp->layout.cold);
}

/* --- provisions ---------------------------------------------------------- */

#define WINDOWS_IN_STOCK 32

static void windows_provide(struct space *sp)
{
	struct trails *all = sp->trails;
	unsigned ready = 0;

	for (unsigned n = 0; n < all->n_windows; n++)
		ready += !sp->windows_used[n];
	for (unsigned n = all->n_windows;
	     ready < WINDOWS_IN_STOCK && n < WINDOWS_MAX; n++, ready++) {
		all->windows[n] = window_map(sp, (int)n);
		if (!all->windows[n])
			return;
		all->n_windows = n + 1;
	}
}

/* The first executable range that begins at addr or above; 0: none. */
static uint64_t next_code(const struct space *sp, uint64_t addr)
{
	for (size_t i = 0; i < sp->maps.n; i++) {
		const struct map_range *r = &sp->maps.all[i];

		if (r->lo >= addr && r->flags & RANGE_X)
			return r->lo;
	}
	return 0;
}

void space_provide(struct space *sp)
{
	uint64_t at = 0;

	windows_provide(sp);
	space_remapped(sp);
	for (space_find(sp, 0); (at = next_code(sp, at)); at++)
		space_region(sp, at, NULL);
}

/* --- spaces -------------------------------------------------------------- */

/* The cache is no original code. */
static void hide_regions(struct space *sp)
{
	for (size_t i = 0; i < sp->maps.n; i++) {
		if (space_region_at(sp, sp->maps.all[i].lo))
			sp->maps.all[i].flags &= ~(unsigned)RANGE_X;
	}
}

static void look_how_wide(struct space *sp)
{
	if (sp->wide || !maps_share_low_bits(&sp->maps))
		return;
	sp->wide = true;
	sp->outdated = sp->index.count;
}

/* Calls that nobody looked at may have mapped more. */
static uint8_t *grown_unseen(const struct space *sp)
{
	return sp->tables ? sp->tables + TAB_GROWN - WIN_PAGE : NULL;
}

static bool has_grown(const struct space *sp)
{
	const uint8_t *unseen = grown_unseen(sp);

	return sp->maps_grown ||
	       (unseen && __atomic_load_n(unseen, __ATOMIC_ACQUIRE));
}

static void read_maps(struct space *sp)
{
	uint8_t *unseen = grown_unseen(sp);

	if (unseen && __atomic_exchange_n(unseen, 0, __ATOMIC_SEQ_CST))
		sp->maps_grown = true;
	if (!sp->by || maps_read(&sp->maps, sp->tr->lower, sp->by) < 0)
		return;
	sp->maps_stale = sp->maps_grown = sp->maps_met = false;
	sp->stale_lo = sp->stale_hi = 0;
	hide_regions(sp);
	look_how_wide(sp);
	if (unseen)
		tell_mapped(sp);
	sp->tr->stats.maps_read++;
}

void space_changed(struct space *sp, uint64_t lo, uint64_t hi)
{
	if (lo >= hi)
		return;
	code_forget(sp, lo, hi);
	if (sp->stale_lo >= sp->stale_hi) {
		sp->stale_lo = lo;
		sp->stale_hi = hi;
		return;
	}
	sp->stale_lo = lo < sp->stale_lo ? lo : sp->stale_lo;
	sp->stale_hi = hi > sp->stale_hi ? hi : sp->stale_hi;
}

/* Is what the map says there, in all of r if that is not NULL, as it was? */
static bool is_as_read(const struct space *sp, uint64_t addr,
		       const struct map_range *r)
{
	uint64_t lo = r ? r->lo : addr, hi = r ? r->hi : addr + 1;

	return !sp->maps_stale && (hi <= sp->stale_lo || lo >= sp->stale_hi) &&
	       (r || !has_grown(sp));
}

const struct map_range *space_find(struct space *sp, uint64_t addr)
{
	const struct map_range *r = maps_find(&sp->maps, addr);

	if (is_as_read(sp, addr, r))
		return r;
	read_maps(sp);
	return maps_find(&sp->maps, addr);
}

void space_look(struct space *sp)
{
	sp->maps_stale = true;
	space_find(sp, 0);
}

/* Is what any of them maps to be read code, too? */
static bool reads_execute(struct target *t, struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (maps_imply_exec(t, th))
			return true;
	}
	return false;
}

struct space *space_new(struct translator *tr, struct thread *by, struct err *e)
{
	struct space *sp = xcalloc(1, sizeof(*sp));
	uint64_t pc;

	sp->tr = tr;
	sp->by = by;
	sp->refs = 1;
	sp->batch = 1;
	list_init(&sp->collectors);
	list_init(&sp->dropped);
	list_init(&sp->ruled);
	list_init(&sp->prints);
	list_init(&sp->counts);
	space_remapped(sp);
	sp->reads_execute = reads_execute(tr->lower, by->proc);
	space_lay_out(sp, tr->cache_size);
	sp->slots = huge_alloc(SCRATCH_SIZE);
	sp->landed = (void *)(sp->slots + TAB_DIRECT);
	sp->pages_read = (void *)(sp->landed + TAB_DIRECT);
	sp->pointers_read = sp->pages_read + CODE_PAGES;
	sp->shared[0] = (void *)(sp->pointers_read + POINTER_PAGES);
	sp->shared[1] = sp->shared[0] + TAB_DIRECT / 8;
	sp->windows_used = xcalloc(WINDOWS_MAX, sizeof(*sp->windows_used));
	index_reserve(&sp->index, BLOCKS_SOON);
	trails_init(sp);
	if (target_reg_u64(tr->lower, by, by->proc->arch->pc, &pc) < 0 ||
	    !space_region(sp, pc, e) || !tables_map(sp, e)) {
		space_unmap(sp, by);
		space_free(sp);
		return NULL;
	}
	tables_begin(sp);
	return sp;
}

void space_unmap(struct space *sp, struct thread *by)
{
	sp->by = by;
	for (unsigned i = 0; i < sp->n_regions; i++)
		inject_munmap(sp, sp->regions[i]->addr, sp->layout.size);
	for (unsigned i = 1; i < sp->trails->n_windows; i++)
		inject_munmap(sp, window_addr(sp, (int)i), TAB_END);
	if (sp->tables_addr)
		inject_munmap(sp, window_addr(sp, 0), COMMON_SIZE);
	if (sp->rings_addr)
		inject_munmap(sp, sp->rings_addr,
			      sp->flow ? WINDOWS_MAX * flow_ring_size(sp)
				       : RINGS_SIZE);
	if (sp->collect)
		inject_munmap(sp, sp->collect_addr, COLLECT_SPACE);
}

void space_free(struct space *sp)
{
	gates_free(sp);
	for (unsigned i = 0; i < sp->n_regions; i++)
		region_free(sp->regions[i]);
	trails_fini(sp);
	counts_free(sp);
	if (sp->tables) {
		lifeline_end(space_life(sp));
		munmap(window_page(sp, 0), COMMON_SIZE);
	}
	flow_free(sp);
	if (sp->rings)
		munmap(sp->rings, RINGS_SIZE);
	prints_free(sp);
	collectors_free(sp);
	free(sp->watched);
	maps_fini(&sp->maps);
	index_fini(&sp->index);
	map_fini(&sp->pages);
	free(sp->aims);
	free(sp->later);
	constants_fini(sp);
	map_fini(&sp->trusted);
	map_fini(&sp->plain_stores);
	map_fini(&sp->section_ends);
	map_fini(&sp->signed_ranges);
	free(sp->waiting);
	probes_free(sp);
	map_fini(&sp->redirects);
	map_fini(&sp->sums);
	free(sp->excluded);
	map_fini(&sp->returns);
	map_fini(&sp->anyway);
	map_fini(&sp->callees);
	modules_free(sp);
	free(sp->windows_used);
	huge_free(sp->slots, SCRATCH_SIZE);
	free(sp);
}

/* Threads are within calls: one that returns where flags are wanted may come by
 * before that place is known again. */
static void slots_flush(struct space *sp)
{
	for (uint32_t i = 0; i < TAB_DIRECT; i++) {
		if (sp->slots[i].plain[0] != SLOT_KEEPS)
			sp->slots[i] = (struct slot_use){ 0 };
	}
}

void space_flush(struct space *sp)
{
	gates_flush(sp);
	for (unsigned i = 0; i < sp->n_regions; i++)
		region_reset(sp, sp->regions[i]);
	index_fini(&sp->index);
	map_fini(&sp->pages);
	constants_fini(sp);
	map_fini(&sp->trusted);
	map_fini(&sp->callees);
	sp->n_waiting = 0;
	sp->worn = false;
	sp->tr->stats.flushes++;
	sp->outdated = false;
	slots_flush(sp);
	tables_reset(sp);
}
