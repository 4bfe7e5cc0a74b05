/*
 * What follow.c, trap.c and signal.c do for each other with a thread that is
 * stopped; low is its lower record. Private to translate/.
 */
#ifndef TRANSLATE_TRAP_H
#define TRANSLATE_TRAP_H

#include "translate/follow.h"

struct block;
struct stub;

/* The thread has met a trap of ours in the cache. True: the layer above is to
 * be told what *ev says then. */
bool follow_take_trap(struct translator *tr, struct thread *th,
		      struct follow *f, struct stop *ev);

/* The thread has stopped for a signal, or for a trap of ours. True: the layer
 * above is to be told. */
bool follow_take_signal(struct translator *tr, struct thread *th,
			struct follow *f, struct stop *ev);
/* A fault of the lower thread, which is in the cache, was one of an expression
 * (region_fault()): it goes on, and nobody hears of it. */
bool follow_passes_fault(struct translator *tr, struct thread *low,
			 struct follow *f);
/* Is one to be told, of a thread that is not followed, or no longer? */
bool signal_is_wanted(const struct translator *tr, const struct thread *th,
		      const struct stop *ev);
/* It has been rewound, and goes on with that signal. */
void follow_deliver(struct translator *tr, struct thread *th, struct follow *f,
		    int signo);

/* The lower thread's general registers, to be read and, with dirty, changed.
 * NULL: it is gone. */
uint8_t *follow_image(struct translator *tr, struct thread *low, bool dirty);

/* One of them by its number, once the image has been fetched. */
uint64_t *follow_special(struct thread *low, unsigned regno);

/* The kernel is to make the call before the image's pc again. */
bool follow_restarts_call(const struct translator *tr, struct thread *low,
			  uint8_t *image);

/* Sets the lower thread going. */
int follow_go(struct translator *tr, struct thread *low, enum resume_kind kind,
	      int signo);

/* Out of the cache: the image becomes the original thread's. The stub that it
 * was at, or NULL. trapped: it has met a trap, and is behind it. */
const struct stub *follow_leave(struct translator *tr, struct thread *low,
				struct follow *f, bool trapped);

/* Into the cache, at an address there. */
void follow_enter(struct translator *tr, struct thread *low, struct follow *f,
		  uint64_t cpc);

/* What the thread was to do by itself is over, or is to begin again, when it
 * was halted. False: it is in the midst of a restartable sequence. */
bool follow_settle(struct translator *tr, struct thread *th);

/*
 * --- native.c -----------------------------------------------------------
 *
 * Sets the rewound thread going in its original code, as how says. A breakpoint
 * at its pc that is ours alone does not stop it there.
 */
/* Was it resumed to go over the breakpoint that it is at? Once. */
bool follow_goes_over(struct translator *tr, const struct thread *low);
int follow_go_natively(struct translator *tr, struct thread *low,
		       const struct resume *how);
void follow_run_natively(struct translator *tr, struct thread *low);

/* How it is stepped, by its wait. */
enum resume_kind follow_step_kind(const struct follow *f);

/* The client steps it by itself. A call that changes what code relies on is
 * seen to when that is over. */
void follow_note_step(struct translator *tr, struct thread *low,
		      struct follow *f);

/* How the lower target is to step it for the client. Steps through a range are
 * made one by one where what they do is seen to. */
enum resume_kind follow_kind(struct translator *tr, struct thread *low,
			     const struct follow *f, const struct resume *act);
/* A step of the client's has ended. True: it is in the range, and another one
 * has begun. */
bool follow_steps_on(struct translator *tr, struct thread *low,
		     struct follow *f, struct stop *ev);

/* Is it at the entry of a call? */
bool follow_is_in_entry(struct translator *tr, const struct thread *low);
/* The rewound thread is, and makes that call natively. Its place in the cache
 * would be behind the call, and the kernel may take the pc back. */
void follow_make_call(struct translator *tr, struct thread *low,
		      struct follow *f);

/* It runs with the program's own trap flag. */
void follow_run_stepping(struct translator *tr, struct thread *low,
			 struct follow *f, uint8_t *image);

/* The original instruction runs by itself. */
void follow_step(struct translator *tr, struct thread *low, struct follow *f,
		 enum follow_wait why);
/* The same where translated code has come to the instruction: what breakpoints
 * there are at it have been seen to. RF keeps one in a debug register from
 * being met again. */
void follow_step_on(struct translator *tr, struct thread *low, struct follow *f,
		    enum follow_wait why);
/* Is a breakpoint in a debug register what is at the pc? */
bool follow_has_hw_point(struct translator *tr, const struct thread *low,
			 uint64_t pc);
/* It runs excluded code until that returns. */
void follow_run_excluded(struct translator *tr, struct thread *low,
			 struct follow *f);

/* --- follow.c ------------------------------------------------------------ */

/* The code for pc; if the cache is full room is made. NULL: no region can be
 * near the pc. */
struct block *follow_block(struct translator *tr, struct space *sp,
			   uint64_t pc);

/* Where in the cache the thread with that image goes on; 0: nowhere. */
uint64_t follow_place(struct translator *tr, struct thread *low,
		      struct follow *f, uint8_t *image);

/* --- puts.c -------------------------------------------------------------- */

struct compile_start;

/* The code for a thread alone, that is on its way there; as above. */
struct block *follow_block_behind(struct translator *tr, struct space *sp,
				  const struct compile_start *start);
/* The code for the thread with that image. */
struct block *follow_block_for(struct translator *tr, struct follow *f,
			       uint8_t *image);

/* Of what comes before the instruction at pc, where the thread with that image
 * is: how much it has done. It is asked once. */
uint16_t follow_puts(struct follow *f, uint8_t *image);
/* It goes on from a breakpoint with that code; NULL: with none. */
void follow_pass(struct follow *f, struct point_code *code);
/* It is about to meet pt: has it met the logpoint there already? */
void follow_note_logged(struct thread *th, struct follow *f, uint8_t *image,
			const struct point *pt);
/* It has been rewound, and goes on in its original code: what it has met does
 * not count twice there, and nothing that it has done does here. */
void follow_goes_natively(struct translator *tr, struct thread *th);
/* Is there a point where it is that the server sees to? */
bool follow_meets_point(const struct follow *f, uint8_t *image);
/* It has done so much of it; or what it had when it was there before. */
void follow_note_puts(struct follow *f, uint8_t *image, unsigned puts);
void follow_keep_puts(struct follow *f, uint8_t *image);
/* The instruction at which it left the cache has been executed; or who knows
 * what has, and all is to be forgotten. */
void follow_forget_puts(struct follow *f, bool all);

/* A rewound thread goes on in the cache; native steps and excluded code
 * apart. */
void follow_run_on(struct translator *tr, struct thread *low, struct follow *f);

#endif
