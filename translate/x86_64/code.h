/* Reading original code. Private to translate/x86_64. */
#ifndef TRANSLATE_X86_64_CODE_H
#define TRANSLATE_X86_64_CODE_H

#include "arch/x86_64/decode.h"
#include "translate/cache.h"

/* Of a space, of code and of pointers that code goes through; powers of two. */
#define CODE_PAGES    256
#define POINTER_PAGES 16

/*
 * A page as it was when it was read. What nobody may write stays good until
 * the map changes there, or nobody knows where; the rest for the batch that read
 * it.
 */
struct code_page {
	uint64_t addr;
	ssize_t size;	   /* bytes that there are */
	unsigned flags;	   /* RANGE_* */
	struct gate *gate; /* or NULL; borrowed: see gate.h */
	unsigned batch;	   /* of struct space */
	int8_t answer;	   /* code_ask(): 0: not asked yet, -1: no */
	uint8_t bytes[4096];
};

struct code_reader {
	struct space *sp;
};

struct insn {
	uint64_t pc;
	struct x86_instr in;
	uint8_t bytes[X86_INSN_MAX + 1];
	bool ok; /* it can be executed, and was decoded */
};

static inline uint64_t insn_next(const struct insn *i)
{
	return i->pc + i->in.length;
}

/* What was read there is read again. */
void code_forget(struct space *sp, uint64_t lo, uint64_t hi);

/* A batch begins. */
void code_init(struct code_reader *r, struct space *sp);

/* The instruction at pc. False, and i->ok too, when there is none that could
 * be copied. */
bool code_read(struct code_reader *r, uint64_t pc, struct insn *i);

/* Of the page that holds pc: RANGE_* bits, and its gate or NULL. */
unsigned code_flags(struct code_reader *r, uint64_t pc);
struct gate *code_gate(struct code_reader *r, uint64_t pc);
/* May it change? */
static inline bool code_changes(struct code_reader *r, uint64_t pc)
{
	return code_gate(r, pc) || code_flags(r, pc) & (RANGE_W | RANGE_SHARE);
}

/*
 * May programs read and write bases themselves? A kernel that does not let them
 * goes by a selector in %gs that is not null, whatever base was set. So a thread
 * in the cache has a null one there.
 */
bool has_fsgsbase(void);

/* Does it read or write gs itself? Then the thread has to have the program's
 * own. */
bool insn_touches_gs(const struct insn *i);

/*
 * An indirect branch through a pointer at a fixed address, which may be read
 * now: where it leads, in executable memory, or false. *constant: nobody may
 * write to it, and all translations go when that changes.
 */
bool insn_pointer(struct code_reader *reader, const struct insn *i,
		  uint64_t *target, bool *constant);

/* Does it write to memory near itself, or to a string? Then what comes next
 * may be what it has written. */
bool code_patches(const struct insn *i);

/* A question about a page. */
typedef bool code_question_fn(struct space *sp, const struct code_page *page);

/* Its answer for the page that holds pc. Always ask the same: the page
 * remembers. */
bool code_ask(struct code_reader *r, uint64_t pc, code_question_fn *question);

/* Are all status flags given new values before any is read, from pc on? */
bool code_flags_dead(struct code_reader *r, uint64_t pc);

#endif
