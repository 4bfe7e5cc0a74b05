/* Reading original code. Private to translate/x86_64. */
#ifndef TRANSLATE_X86_64_CODE_H
#define TRANSLATE_X86_64_CODE_H

#include "arch/x86_64/decode.h"
#include "translate/cache.h"

#define CODE_PAGES 8

/* Pages as they were when a batch began. */
struct code_reader {
	struct space *sp;
	struct code_page {
		uint64_t addr;
		ssize_t size;	/* bytes that there are; 0: not read yet */
		unsigned flags; /* MAP_* */
		uint8_t bytes[4096];
	} pages[CODE_PAGES];
	unsigned last;
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

void code_init(struct code_reader *r, struct space *sp);

/* The instruction at pc. False, and i->ok too, when there is none that could
 * be copied. */
bool code_read(struct code_reader *r, uint64_t pc, struct insn *i);

/* Of the page that holds pc: MAP_* bits. */
unsigned code_flags(struct code_reader *r, uint64_t pc);

/* Are all status flags given new values before any is read, from pc on? */
bool code_flags_dead(struct code_reader *r, uint64_t pc);

#endif
