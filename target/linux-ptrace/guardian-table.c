/* The guardian's table: what the server has changed and where. */
#include "target/linux-ptrace/guardian.h"

#include <stddef.h>
#include <string.h>

#define TABLE_MAX                                             \
	((GUARDIAN_SIZE - offsetof(struct guardian, table)) / \
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
		entry_drop(g, (void *)(original -
				       offsetof(struct guard, trap.original)));
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

void guardian_points_gone(struct guardian *g, pid_t pid, uint64_t lo,
			  uint64_t hi)
{
	for (uint32_t i = 0; g && i < g->used; i++) {
		struct guard *e = &g->table[i];

		if (e->kind == GUARD_POINT && e->pid == pid &&
		    e->addr >= lo && e->addr < hi)
			entry_drop(g, e);
	}
}

void guardian_debug(struct guardian *g, pid_t pid)
{
	struct guard *e = entry_new(g, pid, 0);

	if (e)
		entry_publish(e, GUARD_DEBUG);
}

void guardian_code(struct guardian *g, pid_t pid, const struct guard_code *c)
{
	struct guard *e;

	guardian_code_gone(g, pid);
	e = entry_new(g, pid, 0);
	if (!e)
		return;
	e->code = *c;
	entry_publish(e, GUARD_CODE);
}

void guardian_code_gone(struct guardian *g, pid_t pid)
{
	for (uint32_t i = 0; g && i < g->used; i++) {
		struct guard *e = &g->table[i];

		if (e->kind == GUARD_CODE && e->pid == pid)
			entry_drop(g, e);
	}
}

static void call_fill(struct guard_call *c, const struct user_regs_struct *regs,
		      uint64_t mask)
{
	uint32_t next = !c->current;

	c->of[next].mask_alone = !regs;
	if (regs)
		c->of[next].regs = *regs;
	c->of[next].mask = mask;
	__atomic_store_n(&c->current, next, __ATOMIC_SEQ_CST);
}

struct guard *guardian_call(struct guardian *g, struct guard *at, pid_t pid,
			    pid_t tid, const struct user_regs_struct *regs,
			    uint64_t mask)
{
	struct guard_call *c =
		at ? at->call : guardian_alloc(g, sizeof(struct guard_call));
	struct guard *e = at;

	if (!c)
		return NULL;
	c->g = g;
	call_fill(c, regs, mask);
	if (at)
		return at;
	e = entry_new(g, pid, (uint64_t)tid);
	if (!e) {
		guardian_give_back(g, c, sizeof(*c));
		return NULL;
	}
	e->call = c;
	entry_publish(e, GUARD_CALL);
	return e;
}

void guardian_call_gone(struct guard *e)
{
	struct guard_call *c = e ? e->call : NULL;
	struct guardian *g = c ? c->g : NULL;

	if (!c)
		return;
	entry_drop(g, e);
	guardian_give_back(g, c, sizeof(*c));
}

static struct guard *signal_new(struct guardian *g, pid_t pid, pid_t tid)
{
	struct guard_signal *s = guardian_alloc(g, sizeof(*s));
	struct guard *e = s ? entry_new(g, pid, (uint64_t)tid) : NULL;

	if (s && !e)
		guardian_give_back(g, s, sizeof(*s));
	if (!e)
		return NULL;
	s->g = g;
	e->signal = s;
	entry_publish(e, GUARD_SIGNAL);
	return e;
}

struct guard *guardian_signal(struct guardian *g, struct guard *at, pid_t pid,
			      pid_t tid, const siginfo_t *info)
{
	struct guard *e = at ? at : signal_new(g, pid, tid);

	if (!e)
		return NULL;
	guardian_signal_gone(e);
	e->signal->info = *info;
	__atomic_store_n(&e->signal->signo, (uint32_t)info->si_signo,
			 __ATOMIC_SEQ_CST);
	return e;
}

void guardian_signal_gone(struct guard *e)
{
	if (e)
		__atomic_store_n(&e->signal->signo, 0, __ATOMIC_SEQ_CST);
}

void guardian_signal_end(struct guard *e)
{
	struct guard_signal *s = e ? e->signal : NULL;

	if (!s)
		return;
	entry_drop(s->g, e);
	guardian_give_back(s->g, s, sizeof(*s));
}

void guard_hold(struct guardian *g, pid_t pid, pid_t tid)
{
	struct guard *e = entry_new(g, pid, (uint64_t)tid);

	if (e)
		entry_publish(e, GUARD_HELD);
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

		if (e->kind != GUARD_FREE && e->kind != GUARD_CALL &&
		    e->kind != GUARD_SIGNAL && e->pid == pid)
			entry_drop(g, e);
	}
}

/* --- the table, as the guardian reads it --------------------------------- */

const struct guard *guard_next(const struct guardian *g, const struct guard *e)
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

	while ((e = guard_next(g, e))) {
		if (e->kind == kind && e->pid == pid && e->addr == addr)
			return e;
	}
	return NULL;
}

bool guard_is_first(const struct guardian *g, const struct guard *of)
{
	const struct guard *e = NULL;

	while ((e = guard_next(g, e)) && e != of) {
		if (e->pid == of->pid &&
		    (e->kind == GUARD_TRAP) == (of->kind == GUARD_TRAP))
			return false;
	}
	return true;
}

bool guard_has(const struct guardian *g, pid_t pid)
{
	const struct guard *e = NULL;

	while ((e = guard_next(g, e))) {
		if (e->pid == pid)
			return true;
	}
	return false;
}
