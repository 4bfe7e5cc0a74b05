/*
 * Writing translated code: a cursor that knows which original instruction it
 * writes for, and the instructions that sequences are made of. Private to
 * translate/x86_64.
 */
#ifndef TRANSLATE_X86_64_EMIT_H
#define TRANSLATE_X86_64_EMIT_H

#include "arch/x86_64/decode.h"
#include "translate/block.h"
#include "translate/saved.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

/* Where code goes and what it stands for. */
struct writer {
	struct space *sp;
	struct region *rg;
	struct stream *s; /* the region's hot or cold one */
	uint32_t block;
	uint64_t block_pc;
	uint64_t pc;	 /* of the instruction that is being translated */
	uint32_t run_to; /* where the last mark's run ends; 0: it is none */
	unsigned rewind; /* of the last mark: padding repeats it */
	int undo;
	bool silent;   /* of excluded code: nothing of it is recorded */
	uint16_t puts; /* before the instruction: of which code was written */
	uint8_t slow;  /* enum slow_kind, of jumps to code that is not there */
	uint8_t phase; /* enum flow_phase: what the code is to the block */
	uint32_t flow; /* ... which has that number in the log; 0: none */
	bool tells_entry;	/* ... and writes a record when it is begun */
	uint32_t function;	/* FLOW_CALLS: flow_function() */
	uint32_t lands_at;	/* ... of a landing: its records */
	uint8_t *lands_back;	/* ... and what they come back by */
	uint32_t stub, through; /* ... of a call: the stub's block, and how it
				 * jumps on; or 0 */
	bool spends;	 /* ... nobody wants the flags where the call goes */
	uint32_t called; /* ... whose function that is */
	uint32_t call;	 /* ...: the hop whose return comes next; or 0 */
	/* Of the next record: where a thread goes when the chunk is full, and
	 * what that comes back by. NULL: nowhere yet. */
	uint32_t turn_at;
	uint8_t *turn_back;
};

/* What comes next is written for the instruction at pc. */
static inline void w_at(struct writer *w, uint64_t pc)
{
	w->pc = pc;
	w->puts = 0;
}

/* The instruction comes next as it is, with the same length. */
void w_mark_run(struct writer *w, unsigned length);
/* The code that comes next is a boundary: see struct mark. */
void w_mark(struct writer *w, unsigned rewind, int undo);
static inline void w_bytes(struct writer *w, const void *bytes, size_t n)
{
	x86_emit_inline(&w->s->e, bytes, n);
}
void w_num(struct writer *w, uint64_t v, unsigned size);
/* Bytes of a string literal. */
#define w_code(w, text) w_bytes(w, text, sizeof(text) - 1)

/* Would a field of 4 bytes which comes after skip more lie in two lines? */
bool w_crosses(const struct writer *w, unsigned skip);
/* Pads so that a field of 4 bytes which comes after skip more lies in one cache
 * line. */
void w_align(struct writer *w, unsigned skip);
/* Nothing is in the stream since at: a boundary needs a byte of its own. */
void w_nop(struct writer *w);

/* A 64-bit register (0 to 15) to the window's slot, and back. */
void w_spill(struct writer *w, unsigned reg, uint32_t slot);
void w_fill(struct writer *w, unsigned reg, uint32_t slot);
/* ... behind a boundary, of a thread that is rewound so. */
void w_spill_as(struct writer *w, unsigned rewind, unsigned reg, uint32_t slot);
void w_fill_as(struct writer *w, unsigned rewind, unsigned reg, uint32_t slot);
/* Flags to the window by rax, which is there already, and back; and back from
 * rax, as the first has left them there. Boundaries are as for rewind. */
void w_spill_flags(struct writer *w, unsigned rewind);
void w_fill_flags(struct writer *w, unsigned rewind);
void w_set_flags(struct writer *w, unsigned rewind);
/* popq %gs:slot */
void w_pop(struct writer *w, uint32_t slot);
/* A number onto the stack. rewind and undo: how a thread before that is. */
void w_push(struct writer *w, uint64_t value, unsigned rewind, int undo);
/* A return address onto the stack, which a call has next; and the slot of the
 * table that its return jumps through comes to the cache meanwhile. */
void w_push_return(struct writer *w, uint64_t pc, unsigned rewind);
/* jmp *%gs:slot and jmp *%gs:table(,%rcx,8) */
void w_jmp_slot(struct writer *w, uint32_t slot);
void w_jmp_table(struct writer *w, uint32_t table);

/* Is the code for pc this region's cluster's, or will it be? Another's may be
 * out of its reach. */
bool w_is_near(const struct writer *w, uint64_t pc);
/* jmp, or jcc with that condition, to the code for pc: within the cluster by
 * displacement, else through a literal. */
void w_jmp_pc(struct writer *w, uint64_t pc);
void w_jcc_pc(struct writer *w, unsigned condition, uint64_t pc);
/* ... to an offset of the same region. */
void w_jmp_at(struct writer *w, uint32_t at);
void w_jcc_at(struct writer *w, unsigned condition, uint32_t at);

/* A jump of two bytes, with that opcode, to where w_lands() is called for it.
 */
uint8_t *w_short(struct writer *w, uint8_t opcode);
void w_lands(const struct writer *w, uint8_t *jump);

/* Does the processor have rorx and shrx? */
bool emit_has_bmi2(void);

/* A stub of the instruction's, at the boundary that it says: an offset. */
uint32_t w_stub(struct writer *w, const struct stub *stub);

/* Condition codes of jcc. */
enum {
	COND_B = 2,
	COND_AE = 3,
	COND_E = 4,
	COND_NE = 5,
	COND_BE = 6,
	COND_A = 7,
	COND_S = 8,
	COND_G = 15,
};

/* The routines that all of a region's code shares. */
void emit_routines(struct region *rg);
/* x86_64/fold.c: that which folds what is on top of the ring. */
void fold_routine(struct region *rg);

/* x86_64/stub.c: the code of a stub that is at the region's offset at, and of
 * what it jumps to, where the cold stream begins. traps: which stops threads by
 * a trap only, as it does from emit_stop_traps() on. */
void emit_stub(struct region *rg, uint32_t number, uint32_t at);
void emit_stop(uint8_t *code, bool traps);
void emit_stop_traps(uint8_t *code);
/* To ecx: 0 while the server lives. 9 bytes. */
void w_life(struct writer *w);
/* What that code has borrowed, before the instruction at its offset. */
void stop_undo(const uint8_t *window, uint8_t *image, uint32_t offset);

/* The stream where rare code goes, for the same instruction. */
struct writer w_cold(const struct writer *w);

#endif
