/*
 * Commands of breakpoints in translated code: private to translate/.
 *
 * A point whose commands only print stops nobody: a collector (see collects.h)
 * has the conditions, the arguments and the strings, and the text is made when
 * its ring is read. Only a long string takes a stop, or one that cannot be read.
 */
#ifndef TRANSLATE_PRINTS_H
#define TRANSLATE_PRINTS_H

#include "target/target.h"
#include "translate/cache.h"

/* Can its commands be, all of them? */
bool prints_fit(const struct point_code *code);

/* Does the point at pc print so? Then nobody stops there. */
bool prints_at(const struct space *sp, uint64_t pc);

/* ... and nothing else is collected there? */
bool prints_alone_at(const struct space *sp, uint64_t pc);

/* Those of the process's points are, and no others; all of it is stopped. */
void prints_renew(struct translator *tr, struct process *p);
void prints_resume(struct translator *tr, const struct resume *acts, size_t n);
/* The point there goes, or has other commands. */
void prints_forget(struct translator *tr, struct process *p, uint64_t pc);

void prints_free(struct space *sp);

#endif
