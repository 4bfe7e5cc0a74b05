/*
 * What compile.c, branch.c and indirect.c share: a batch of blocks on its way
 * to the cache. Private to translate/x86_64.
 */
#ifndef TRANSLATE_X86_64_COMPILER_H
#define TRANSLATE_X86_64_COMPILER_H

#include "translate/events.h"
#include "translate/flows.h"
#include "translate/hints.h"
#include "translate/x86_64/code.h"
#include "translate/x86_64/emit.h"

#define BLOCK_INSNS	128 /* of a longer one the rest is another block */
#define CHAIN_ALIGNMENT 32  /* of what is jumped to: half a line, measured */
#define BATCH_MAX	16 /* blocks: more fill the cache with what never runs */
#define BATCH_KNOWN	256  /* ... and will run, as far as is known */
#define BATCH_CLOSE	1024 /* ... and did so the last time */
#define BATCH_MET	256  /* ... that were met by indirect branches */
#define BATCH_PRESSED	8 /* ... when it was too small for the program so far */
#define TODO_MAX	16384
#define FETCH_AHEAD	8 /* of many that are looked up, one after the other */
#define LATER_MAX	65536 /* of a space, of close batches */

/* A landing to be made known when its block is. */
struct landing {
	uint64_t pc, cpc;
};

/* Of addresses that were asked for not long ago: most are, many times. */
#define ASKED 256
struct asked {
	uint64_t pc;
	uint32_t queued; /* of struct compiler: it needs not be queued again */
	uint8_t hint;	 /* enum hint */
	bool is_there;
};

struct compiler {
	struct space *sp;
	struct code_reader reader;
	struct writer w;
	struct insn insns[BLOCK_INSNS];
	unsigned n_insns;
	/* Of blocks: of which nobody knows whether they will run, or that are
	 * known to. */
	unsigned budget, known_budget;
	enum hint hint;	  /* of the block that is written */
	struct asked asked[ASKED];
	bool is_close;	  /* a batch of what ran the last time */
	bool is_apart;	  /* ... of what other commands have run */
	bool has_points;  /* of the layer above */
	bool watched;	  /* ... is one instruction that has been checked */
	bool at_point;	  /* the first block begins behind one */
	bool excluded;	  /* the block that is written is a stub */
	bool return_next; /* what comes next is a return address */
	bool redirected;  /* ... is for those alone who come by here */
	/* Of what is put before the instruction: how many there were, and how
	 * many have been executed by whom the block is for. */
	uint16_t seq, done;
	struct compiler *ahead; /* what is read for a log, and not written */
	uint64_t *todo;
	size_t n_todo, cap_todo;
	uint32_t queued; /* the number of this queue, from 1 on */
	struct landing *landings;
	size_t n_landings, cap_landings;
};

/* The block at pc to insns, up to the instruction that ends it. */
void block_read(struct compiler *c, uint64_t pc, bool skip_point);

/* As hints_ask(). */
enum hint compiler_ask(struct compiler *c, uint64_t pc);

/* A conditional branch to there, or to what comes next: as far as is known the
 * former, always. */
bool always_branches(struct compiler *c, uint64_t to, uint64_t next);

/* How many blocks like that may still be translated. */
unsigned *compiler_budget(struct compiler *c, enum hint hint);

/* The block at pc, and what it falls through to. own: for those alone who come
 * to it now. */
void chain_write(struct compiler *c, uint64_t pc, bool own);

/* All that was written so far may be reached. */
void compiler_publish(struct compiler *c);

/* It is translated in this batch if there is room. */
void compiler_queue(struct compiler *c, uint64_t pc);

/* Ends a block: writes the instruction's branch. Returns where the code that
 * comes next in the stream continues; 0: nowhere. */
uint64_t branch_write(struct compiler *c, const struct insn *i);

/* ... that of an indirect jump or call. */
uint64_t indirect_write(struct compiler *c, const struct insn *i);
/* ... that of a system call. */
uint64_t syscall_write(struct compiler *c, const struct insn *i);
/* The server wants to see calls of that number, but not all: where those come to
 * that it need not, and go on at `on`; the others go to stub. rcx is spilled. All
 * are offsets; 0: there is no such place. */
uint32_t pass_write(const struct writer *w, uint32_t nr, uint32_t stub,
		    uint32_t on);

/* What brings a thread to the server that comes by it. */
enum slow_kind branch_slow(const struct insn *i);
/* Whoever finds no landing for the target says what it was; rcx is spilled. */
void slow_write(struct writer *w);

/* A return to the caller, in place of the writer's instruction. */
void return_write(struct compiler *c);

/* Can it be executed as it is, anywhere? */
bool insn_is_movable(const struct insn *i);

/* As it is, or in its place what does the same. True: it ends the block, and
 * *next is as branch_write() says. */
bool insn_write(struct compiler *c, const struct insn *i, uint64_t *next);

/* The instruction at pc is the next to be written. */
static inline void insn_begin(struct compiler *c, uint64_t pc)
{
	w_at(&c->w, pc);
	c->seq = c->done = 0;
}

/* The block's instructions as the layer above transforms them; as above. */
bool transform_write(struct compiler *c, uint64_t *next);

/* Something is put before the instruction. False: it has been executed. */
bool put_begin(struct compiler *c);
static inline void put_end(struct compiler *c)
{
	c->w.puts = c->seq | (c->w.puts & PUTS_PASSED);
}

/* The thread calls fn there. */
void callout_write(struct compiler *c, callout_fn *fn, void *user);

/* What is collected at pc, where a block begins. */
void collectors_write(struct compiler *c, uint64_t pc);
/* One that is compiled, before the writer's instruction. */
struct collector;
void collector_write(struct compiler *c, struct collector *what);

/* A breakpoint at the begin of a block: a thread stops if one of them holds, and
 * what is asked for beyond. */
void conditions_write(struct compiler *c, const struct point_code *code);

/* The instruction runs by itself, in the original code. */
void native_write(struct writer *w);

/* At the entry of a block whose code may change: what tells that it has. */
void test_entry_write(struct compiler *c);
/* ... and it is counted, as the space's mode says. */
void instrument_entry(struct compiler *c);

/* What comes next in the stream is where a return to pc lands, and behind that
 * its block, or (follows is false) a jump to it. False: there is such a place
 * elsewhere, and nothing comes to here. */
bool landing_return(struct compiler *c, uint64_t pc, bool follows);

/* Indirect branches have a landing at the block, which none finds yet. False:
 * there is no room. */
bool landing_met(struct space *sp, struct block *b);

/* A landing of returns to pc that was saved, at that offset. NULL: it is at the
 * end of a chain, and its block is not there. */
void landing_place(struct compiler *c, struct region *rg, struct block *b,
		   uint64_t pc, uint32_t at, bool plain);

/* What is kept of an indirect branch: it goes there (a target), never goes a way
 * of its own (it has learned), or is to learn. */
void indirect_place(struct space *sp, struct region *rg,
		    struct branch_cache *k, bool is_call);

/* An event of the writer's pc, before what it tells of, if the space's threads
 * tell of that kind. */
void event_write(struct writer *w, enum event_kind kind, uint64_t to);
/* One that is not told: a call that was has returned, as far as its depth
 * goes. */
void event_write_silent(struct writer *w);
/* ... of a call to the window's target; rcx is spilled and has it too. */
void event_write_call(struct writer *w);
/* ... of a return to what is on top of the stack. */
void event_write_ret(struct writer *w);

/*
 * x86_64/flow.c: the block that comes next in the stream has a number in the
 * log, if the space has one, until it ends. own: it is for one thread.
 */
void flow_begin_block(struct compiler *c, uint64_t pc, bool own);
void flow_end_block(struct writer *w);
/* Is there such a block? Then its ways out write records. */
bool flow_is_on(const struct writer *w);
/* Code that comes next is executed when the block is over. */
void flow_is_over(struct writer *w);

/* Records: it is begun, if that is to be told; nothing is told from there on;
 * its branch was taken; its jump or call goes on, if that is to be told, and of
 * a call the stack is undo too low; its indirect branch goes there. The two
 * that have undo say whether they were written. */
void flow_write_entry(struct writer *w);
void flow_write_skips(struct writer *w);
void flow_write_edge(struct writer *w);
bool flow_write_jump(struct compiler *c, int undo);
bool flow_write_target(struct writer *w, uint64_t target, int undo);
/* The way to where a branch leads that is taken, in the cold stream, with a
 * record: its offset. */
uint32_t way_write(const struct writer *w, uint64_t to);
/* Nothing falls through to here: what belongs to the next record, after which a
 * thread is at that pc, may be written now. */
void flow_prepare(struct writer *w, uint64_t pc);
/* ... in a landing: rcx is spilled. dead: nobody wants the flags. */
void flow_write_landing(struct writer *w, uint64_t pc, bool dead);
/* Does the way of a branch to there write a record? */
bool flow_tells_branch(const struct writer *w, uint64_t to);

/* A record. A thread that has written it is at that pc; one that has not is at
 * the writer's, or where `how` says, with its stack so much too low. */
struct flow_record {
	uint32_t word;
	unsigned how;
	int undo;
	uint64_t pc;
	enum flow_phase phase;
	/* FLOW_CALLS, each or 0: a slot of the window that the last word is of,
	 * or the stub that is called; and the function that is. */
	uint32_t low, stub, enters;
};
void flow_put(struct writer *w, const struct flow_record *r);
/* rcx is spilled. */
void flow_put_spilled(struct writer *w, const struct flow_record *r);

/* Behind a record, in the cold stream: one less of the window's patience. If
 * that was the last the thread turns as if the chunk were full. */
void flow_see_patience(struct writer *w);

/*
 * x86_64/hops.c, with FLOW_CALLS: the block is counted, and what it executes.
 */
void hop_count_block(struct compiler *c, uint32_t slot);
/* What the thread has executed to rax, which is spilled; flags are spent, or
 * not. how and undo: as w_mark() has it. */
void hop_put_count(struct writer *w, unsigned how, int undo);
void hop_put_count_quietly(struct writer *w, unsigned how, int undo);
/* An instruction, n bytes of it before a displacement that ends it, on a
 * counter in the region's data. */
void hop_put_on_slot(struct writer *w, const char *code, size_t n,
		     uint32_t slot);
/* Is it told that the block's branch goes there, or falls through to it? */
bool hop_is_told(const struct writer *w, uint64_t to);
/* The word of that record, and the function that it says is called: 0: nobody
 * wants to know. */
uint32_t hop_word_to(struct writer *w, uint64_t to);
uint32_t hop_enters(struct writer *w, uint64_t to);
/* The block's function returns; rcx is spilled. */
void hop_write_leaves(struct writer *w);
void hop_write_landing(struct writer *w, uint64_t pc, bool dead);
/* What that of an indirect branch needs is written: nothing falls to here.
 * dead: nobody wants the flags. */
void hop_prepare_landing(struct writer *w, uint64_t pc, bool dead);
/* Does nobody want the flags there, of who is to write a record? */
bool hop_spends(struct compiler *c, uint64_t to);
/* A call to there is one of a stub, which jumps on through a pointer that stays:
 * w.stub and w.through. */
void hop_see_stub(struct compiler *c, uint64_t to);
/* The block is all of a stub, and it jumps to target: in the record of its call,
 * if that is the last one. False: it is none. Nobody wants the flags there. */
bool hop_write_through(struct writer *w, uint64_t target);
/* The block falls through to there. */
void hop_write_falls(struct compiler *c, uint64_t to);
/* A record with that word is about to be written; the rest as w_mark() has it.
 * If what it tells is nothing regular, depths may be wrong from now on. */
void hop_write_unsure(struct writer *w, uint32_t word, unsigned how, int undo);
void hop_put_unsure(struct writer *w, unsigned how, int undo);
/* That record is written, of a jump that may be one back: then the last word
 * says so. */
void hop_write_may_be(struct writer *w, uint32_t word, unsigned how, int undo);
/* Flags to the window, and back; rax is borrowed for that. The writer's rewind
 * says so. */
void hop_save_flags(struct writer *w);
void hop_restore_flags(struct writer *w);
/* The block's indirect branch is under way; rcx is spilled. */
void hop_write_from(struct writer *w, bool within);

#endif
