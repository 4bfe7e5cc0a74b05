/*
 * Trails: what it takes to rewind threads that are in translated code. Marks
 * say what the boundaries of the code stand for, and stubs what brings threads
 * to the server from there; a trail has those of a region, in memory that
 * whoever outlives us can see too (struct orphan_ops). Private to translate/.
 */
#ifndef TRANSLATE_TRAIL_H
#define TRANSLATE_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;
struct region;
struct space;

/* How a thread at a boundary of translated code is to be seen: rewind.h. */
enum {
	REWIND_RCX = 1 << 0, /* they are in the window */
	REWIND_RAX = 1 << 1,
	REWIND_RDX = 1 << 2,
	REWIND_FLAGS = 1 << 3,
	REWIND_TARGET = 1 << 4, /* its pc is what the window's target says */
	REWIND_RETURN = 1 << 5, /* its pc is the word below the stack's top */
	REWIND_CALLED = 1 << 6, /* right behind a system call: rcx is the pc */
	REWIND_EXCLUDED = 1
			  << 7, /* its pc is what an excluded call returns to */
	/* Of a mark: `undo` is a register's number, gdb's, whose value is what
	 * the window's target says. */
	REWIND_SET = 1 << 8,
};

/* A boundary of translated code. Of a run of instructions that are copied as
 * they are it is the first: the others are as far from it as in the original,
 * and the next mark is where the run ends. */
struct mark {
	uint64_t pc;	  /* that it stands for */
	uint32_t at : 31; /* offset into the region */
	uint32_t run : 1;
	uint16_t rewind : 9; /* REWIND_* */
	int16_t undo : 7;    /* added to the stack pointer */
	uint16_t puts; /* of those before the instruction, how many are done */
};

/* In puts: one more, if the sign flag is clear. */
#define PUTS_UNLESS_SIGN 0x8000u
/* ... the breakpoint there was met, and gone on from. */
#define PUTS_PASSED 0x4000u

enum stub_kind {
	STUB_EXIT,     /* on to pc */
	STUB_INDIRECT, /* on to the window's target */
	STUB_RETURN,   /* on to the return address just taken */
	STUB_LEARN,    /* an indirect branch met first: arg is its cache */
	STUB_NATIVE,   /* the instruction at pc runs by itself */
	STUB_SYSCALL,  /* one to look at; it goes on at offset arg */
	STUB_STALE,    /* the bytes of block arg have changed */
	STUB_GATE,     /* a page of block arg may have: see gate.h */
	STUB_TRUST,    /* block arg has run unchanged often enough */
	STUB_POINT,    /* a breakpoint of the layer above, at pc */
	STUB_SECTION,  /* a store that may arm a restartable sequence */
	STUB_EXCLUDED, /* the code at pc runs natively if it was called */
	STUB_DRAIN,    /* the ring is full; it goes on at offset arg */
	STUB_CALLOUT,  /* one of the layer above's: the region's number arg */
	STUB_WATCH,    /* it may touch what is watched; on at offset arg */
	STUB_WATCHED,  /* it has: see watchpoints.h */
	STUB_COLLECT,  /* no room for what it collects; on at offset arg */
};

/* What brings a thread to the server, of a branch: see stats.def. */
enum slow_kind {
	SLOW_CONTINUATION, /* code goes on elsewhere, of no branch */
	SLOW_CALL_IMM,
	SLOW_CALL_REG,
	SLOW_CALL_MEM,
	SLOW_RET,
	SLOW_JMP_IMM,
	SLOW_JMP_REG,
	SLOW_JMP_MEM,
	SLOW_JMP_COND,
	SLOW_JMP_COND_JCXZ,
	SLOW_INDIRECT, /* a jump or a call: nobody wanted to know */
	N_SLOW_KINDS
};

struct stub {
	uint64_t pc;
	uint32_t sites; /* exits: who waits for pc */
	uint32_t arg; /* exits: the number + 1 of pc's next, of another kind */
	uint8_t kind, rewind;
	int8_t undo;
	uint8_t slow;  /* enum slow_kind, of exits and what is learned */
	uint16_t puts; /* as in a mark */
};

#define STUB_BYTES 17u	/* emit_stub() */
#define STOP_BYTES 134u /* emit_stop() */
#define STOPPED_AT 88u	/* ... where in it its signal stops a thread */

/* Where the parts of a region begin, in bytes; the hot stream is at 0. The cold
 * one begins with emit_stop() and call_code of target_inject_ops, the data with
 * a byte that is never set, and one that always is. */
struct layout {
	uint32_t cold, stubs, data, size;
};

static inline uint32_t layout_never(const struct layout *l)
{
	return l->data;
}

static inline uint32_t layout_always(const struct layout *l)
{
	return l->data + 8;
}

static inline uint32_t layout_stubs_max(const struct layout *l)
{
	return (l->data - l->stubs) / STUB_BYTES;
}

/* Of each of the other two streams; instructions are longer than that. */
static inline uint32_t layout_marks_max(const struct layout *l)
{
	return l->cold / 3;
}

/* An entry is complete when it is counted. */
struct trail {
	uint64_t addr; /* the region's, in the debuggee */
	struct layout layout;
	struct mark *hot, *cold;
	struct stub *stubs;
	uint32_t n_hot, n_cold, n_stubs;
	bool unseen; /* what is pointed to only we see */
};

#define REGIONS_MAX 64
#define WINDOWS_MAX 16384

struct trails {
	uint64_t tables_addr;
	uint32_t n_regions, n_windows;
	struct trail regions[REGIONS_MAX];
	uint64_t windows[WINDOWS_MAX]; /* in the debuggee; 0: none there */
};

/* Of sp->by's process, as a whole. */
void trails_init(struct space *sp);
void trails_fini(struct space *sp);

/* That of the region which is about to be added. */
void trail_add(struct space *sp, struct region *rg);

/* Threads of the lower process may be in the cache from now on: they are
 * rewound if we die. And the opposite. */
void trails_guard(struct space *sp, struct process *lower);
void trails_unguard(struct space *sp, struct process *lower);

/* Of marks that ascend: how many come up to the offset. */
size_t marks_up_to(const struct mark *marks, size_t n, uint32_t at);

/* The stub whose code holds the offset, or NULL. */
struct stub *trail_stub(const struct trail *tl, uint32_t at);

/* The boundary at the offset; false: there is none. */
bool trail_mark(const struct trail *tl, uint32_t at, struct mark *m);
/* Has it a mark of its own, as where a block begins? */
bool trail_has_mark(const struct trail *tl, uint32_t at);
/* What the boundary at the offset comes behind: a mark, of which a run may be
 * up to there. NULL: it is none, or the first of its stream. */
const struct mark *trail_before(const struct trail *tl, uint32_t at);
/* Is that boundary within the copy of an instruction, whose effect is not whole
 * yet? */
bool trail_is_within(const struct trail *tl, uint32_t at);
/* The trail of the region whose code holds the address, or NULL. */
const struct trail *trails_at(const struct trails *all, uint64_t cpc);

#endif
