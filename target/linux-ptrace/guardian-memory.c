/*
 * Memory that the guardian sees, although it is handed out long after the
 * fork: a large piece of address space that both have from the beginning. Few
 * sizes are asked for, so what was given back serves the same size again.
 */
#include <string.h>
#include <sys/mman.h>

#include "target/linux-ptrace/guardian.h"

#define ARENA_MOST  ((size_t)64 << 30)
#define ARENA_LEAST ((size_t)1 << 30)
#define PAGE	    ((size_t)4096)
#define SMALL	    (4 * PAGE) /* not worth a system call */

void guardian_arena_init(struct guardian *g)
{
	void *at = MAP_FAILED;
	size_t size;

	for (size = ARENA_MOST; size >= ARENA_LEAST; size /= 2) {
		at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (at != MAP_FAILED)
			break;
	}
	if (at == MAP_FAILED)
		return;
	madvise(at, size, MADV_DONTDUMP);
	g->arena.base = at;
	g->arena.size = size;
}

void guardian_arena_fini(struct guardian *g)
{
	if (g->arena.base)
		munmap(g->arena.base, g->arena.size);
}

static void *piece_again(struct guardian *g, size_t size)
{
	struct guard_piece **at = &g->arena.free, *piece;

	while (*at && (*at)->size != size)
		at = &(*at)->next;
	piece = *at;
	if (piece) {
		*at = piece->next;
		memset(piece, 0, sizeof(*piece));
	}
	return piece;
}

void *guardian_alloc(struct guardian *g, size_t size)
{
	uint8_t *new;
	void *piece;

	if (!g)
		return NULL;
	size = (size + PAGE - 1) & ~(PAGE - 1);
	piece = piece_again(g, size);
	if (piece || size > g->arena.size - g->arena.used)
		return piece;
	new = g->arena.base + g->arena.used;
	g->arena.used += size;
	return new;
}

void guardian_give_back(struct guardian *g, void *memory, size_t size)
{
	struct guard_piece *piece = memory;

	if (!g || !memory)
		return;
	size = (size + PAGE - 1) & ~(PAGE - 1);
	if (size < SMALL || madvise(memory, size, MADV_REMOVE) < 0)
		memset(memory, 0, size);
	piece->size = size;
	piece->next = g->arena.free;
	g->arena.free = piece;
}
