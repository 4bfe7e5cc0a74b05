/*
 * Hints: where blocks begin that were run when a file's code was followed
 * before, be it by another server. What is known to run is translated many
 * blocks at a time, before it is wanted, and what is not is left alone, so that
 * a program starts with a third of the stops and with half of the code. Private
 * to translate/.
 *
 * A file is told by its build ID, places in it are counted from where it is
 * mapped. A hint is never trusted: a wrong one costs a translation. What is not
 * known yet, in files that have a build ID, is given a store that tells that it
 * was run, as for coverage, and learnt when the cache or a part of it goes.
 */
#ifndef TRANSLATE_HINTS_H
#define TRANSLATE_HINTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/note.h"

struct space;
struct translator;

/* Of one file. */
struct hints {
	struct list node; /* in translator.hints */
	char id[2 * BUILD_ID_MAX + 1];
	uint32_t *all; /* ascending */
	size_t n;
	uint32_t *fresh; /* not among them, in any order */
	size_t n_fresh, cap_fresh;
};

enum hint {
	HINT_NONE, /* nothing is learnt of that file */
	HINT_NEW,  /* it was not run so far, as far as is known */
	HINT_RUN,
};

/* Of a block at pc, whose code may be read. */
enum hint hints_ask(struct space *sp, uint64_t pc);

/* Of the file that is mapped at base, whose module that is. NULL: it is none of
 * which anything is learnt. */
struct hints *hints_open(struct space *sp, uint64_t base);

/* What the space's blocks have told, or those of the region that is ending. */
void hints_learn(struct space *sp);

void hints_free(struct translator *tr);

#endif
