/*
 * What translated code reaches through %gs: a page of the thread's own, and
 * behind it tables that all threads of the process have in common. Offsets
 * from the base of gs; the server sees the same memory.
 */
#ifndef TRANSLATE_X86_64_WINDOW_H
#define TRANSLATE_X86_64_WINDOW_H

#include <stdint.h>

/* The thread's page. */
enum {
	WIN_RCX = 0x00, /* registers that a sequence has borrowed */
	WIN_RAX = 0x08,
	WIN_FLAGS = 0x10, /* ah as lahf leaves it; al is the overflow flag */
	WIN_RDX = 0x18,
	WIN_TARGET = 0x20,   /* where an indirect branch goes, original */
	WIN_LANDING = 0x28,  /* ... and in the cache */
	WIN_RING = 0x30,     /* where the next event is written */
	WIN_DEPTH = 0x38,    /* of calls, 32 bits */
	WIN_STUB_RCX = 0x40, /* registers while a stub uses them */
	WIN_GS = 0x48,	     /* the program's own base of gs */
	WIN_STUB_RAX = 0x50,
	WIN_STUB_RDI = 0x58,
	WIN_STUB_RSI = 0x60,
	WIN_STUB_R11 = 0x68,
	WIN_STUB = 0x70,     /* its number, 32 bits */
	WIN_GS_SELECTOR = 0x74, /* the program's own, 32 bits; 0: gs has it */
	WIN_EXCLUDED = 0x78, /* of an excluded call that has not returned: right
			      * behind its return address on the stack; or 0 */
	WIN_RETURNS = 0x80,  /* ... and what that is */
	WIN_REWIND_END = 0x88, /* all that rewinding takes is before it */
	WIN_THREAD = 0x88,     /* the thread's id as it sees it; 0: unknown */
	WIN_SLOW = 0x90,       /* what has set the target: enum slow_kind */
	/* collects.h: what is written and may be, of records, by count; and
	 * where the ring is. */
	WIN_COLLECT_HEAD = 0x98,
	WIN_COLLECT_LIMIT = 0xa0,
	WIN_COLLECT_RING = 0xa8,
	WIN_COLLECT_LOST = 0xb0,   /* records for which there was no room */
	WIN_COLLECT_RECORD = 0xb8, /* the one that is being written */
	WIN_COLLECT_END = 0xc0,	   /* of memory that is being copied */
	WIN_STEPS = 0xc8, /* that an expression may still repeat, 32 bits */
	WIN_CHECK_BACK = 0xd0, /* of the routine: where it goes on ... */
	WIN_CHECK_SIZE = 0xd8, /* ... and how long the access is, less 1 */
	WIN_TID = 0xe0,	       /* the thread's id as we know it */
	/* flows.h, FLOW_CALLS: the block, and that's function, whose indirect
	 * branch is under way (0: it tells even what is within its function).
	 */
	WIN_FROM = 0xf0,	  /* 32 bits */
	WIN_FROM_FUNCTION = 0xf4, /* the same */
	WIN_CHECK_PUTS = 0xf8, /* of the checking routine: of what is put
				* before, how much is done */
	WIN_SCRATCH = 0x100,   /* for system calls of ours */
	WIN_VALUES = 0x400,    /* an expression's stack */
	WIN_VALUES_MAX = 64,   /* ... words of it */
	/* x86_64/fold.c: the hop that a return has led by; the counters that are
	 * under way, as an offset into TAB_FOLDS; whether depths may be wrong. */
	WIN_FOLD_BACK = 0x600,
	WIN_FOLD = 0x608,
	WIN_UNSURE = 0x610, /* a byte */
	WIN_PATIENCE = 0x614, /* 32 bits: so many returns more leave records,
			       * then depths are put right */
	WIN_FOLD_NOW = 0x618, /* of the routine: the thread's count ... */
	WIN_FOLD_ON = 0x620,  /* ... less what a stub has executed */
	/* FLOW_CALLS: instructions so far are the sum of these. A block adds to
	 * one of them, and the next mostly to another: that need not wait for
	 * what the one before has stored. */
	WIN_COUNTS = 0x640,
	WIN_COUNTS_MAX = 4, /* a power of 2 */
	WIN_CHUNKS = 0x800, /* flows.h: where a log goes on at the end of a
			     * chunk, by bits 16 to 23 of that's address */
	WIN_PAGE = 0x1000,
};

/*
 * The tables. The first holds a byte for each number of a system call, of
 * which the low 16 bits count: nonzero, and the server wants to see it. The
 * next two are direct-mapped by the low 16 bits of an original address, and
 * what they hold is not verified: the landing that is jumped to does that. That
 * of a return may spend flags. The last two hold pairs of an original address
 * and its landing, placed by table_home() and probed linearly; a first word of
 * 0 is a free one. Then there is a struct lifeline: stubs look whether the
 * server lives. What is watched is at last (check.c): a byte for each eight
 * that may be, by bits 3 to 18 of their address, if they are written to, or
 * read; and their ranges. Then what counts.h has. Calls that pass without a look
 * (pass.c) read a byte for each 2 MiB of memory, by bits 21 to 36 of the address:
 * may code or a file be there? They set the byte at TAB_GROWN.
 */
enum {
	TAB_SYSCALLS = WIN_PAGE,
	TAB_RETURNS = TAB_SYSCALLS + 0x10000,
	TAB_INDIRECT = TAB_RETURNS + 0x80000,
	TAB_RETURNS_ALL = TAB_INDIRECT + 0x80000,
	TAB_INDIRECT_ALL = TAB_RETURNS_ALL + 0x200000,
	TAB_LIFE = TAB_INDIRECT_ALL + 0x200000,
	TAB_WRITTEN = TAB_LIFE + 0x1000,
	TAB_READ = TAB_WRITTEN + 0x10000,
	TAB_RANGES = TAB_READ + 0x10000,
	TAB_COUNTS = TAB_RANGES + 0x1000,
	TAB_DEPTHS = TAB_COUNTS + 0x1000,
	TAB_FOLDS = TAB_DEPTHS + 0x40000,
	TAB_MAPPED = TAB_FOLDS + 0x400000,
	TAB_GROWN = TAB_MAPPED + 0x10000,
	TAB_END = TAB_GROWN + 0x1000,
};

/* TAB_DEPTHS: how often a function is being called, 32 bits by its number: see
 * x86_64/hops.c. TAB_FOLDS: folds.h. */
#define DEPTHS_MAX 0x10000u

#define TAB_SIZE     (TAB_END - WIN_PAGE)
#define TAB_DIRECT   0x10000 /* entries of a direct-mapped one */
#define TAB_ALL	     0x20000 /* pairs of the others */
#define TAB_ALL_USED 0x18000 /* at most; then the cache is dropped */

struct table_pair {
	uint64_t pc, landing;
};

/* Calls take five bytes and more, so all bits would only spread the pairs. */
static inline uint32_t table_home(uint64_t pc)
{
	return pc >> 3 & (TAB_ALL - 1);
}

#endif
