/*
 * Conditions of breakpoints in translated code: private to translate/.
 *
 * A block begins at a point whose conditions are compiled, and goes on behind
 * them; a thread for which one holds, or fails, comes to the same stub as at a
 * point without any, where the server looks again. So a process that is
 * followed anyway pays instructions for what does not hold. One that is not is
 * followed for it, with nothing recorded, once stops for nothing were many, and
 * let go of when it is resumed with no such point, but for a step that is made
 * without it.
 */
#ifndef TRANSLATE_CONDITIONS_H
#define TRANSLATE_CONDITIONS_H

#include "target/target.h"
#include "translate/cache.h"

/* The point at pc, if its conditions are to be in translated code; or NULL. */
const struct point *conditions_at(const struct space *sp, uint64_t pc);

/* After an event: processes may be followed. Nothing is to be told. */
void conditions_tick(struct translator *tr);
/* Processes are about to be resumed: they may be followed, or no more. */
void conditions_resume(struct translator *tr, const struct resume *acts,
		       size_t n);

/* A followed thread, which has run natively, is about to enter the cache. */
void conditions_go_behind(struct translator *tr, struct thread *th);

/* struct target_point_ops's. */
void conditions_choose(struct target *t, enum condition_place place);

/* --- x86_64/condition.c --------------------------------------------------- */

/* Can all of them be compiled, in not too much code? */
bool conditions_fit(const struct point_code *code);

/*
 * ... or anything that has to hold there, of the filter too (target/filter.h)?
 * What cannot be is looked at by the server, when the rest holds.
 */
bool conditions_move(const struct point_code *code);

/* Do threads count hits there themselves? That is something put. */
bool conditions_count(struct space *sp, const struct point_code *code);

#endif
