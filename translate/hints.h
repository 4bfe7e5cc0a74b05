/*
 * Hints: where blocks begin that were run when a file's code was followed
 * before, be it by another server, and where its indirect branches went. What
 * is known to run is translated many blocks at a time, before it is wanted, and
 * what is not is left alone, so that a program starts with a tenth of the stops
 * and with half of the code. Private to translate/.
 *
 * A file is told by its build ID, places in it are counted from where it is
 * mapped. A hint is never trusted: a wrong one costs a translation, or a
 * comparison that fails; what was found in a file, only for the very file. What
 * is not known yet, in files that have a build ID, is given a store that tells
 * that it was run, as for coverage, and learnt when the cache or a part of it
 * goes.
 */
#ifndef TRANSLATE_HINTS_H
#define TRANSLATE_HINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/note.h"
#include "translate/saved.h"

struct space;
struct translator;

enum hints_kind {
	HINTS_RUN,  /* a block begins there, and who has run it */
	HINTS_MET,  /* ... to which an indirect branch went, from anywhere */
	HINTS_GOES, /* an indirect branch; the file that it went to, where */
	N_HINTS_KINDS,
};

/*
 * Who has run it. Libraries are run by many programs of which each runs a part,
 * and programs do many things, which their arguments tell of: one with these is
 * a command. A set has a bit for each, or for several: names tell which.
 */
enum hints_by { BY_PROGRAM, BY_COMMAND, N_HINTS_BY };

/*
 * Rows of PLACES_WIDTH words, ascending by the first, which is a place. Of
 * HINTS_GOES the others are a file's mark and a place in it, else sets, by enum
 * hints_by.
 */
#define PLACES_WIDTH 3
struct places {
	uint32_t *all;
	size_t n;
	/* Of each 2^shift bytes of the file, and of what ends there, where the
	 * first row is; NULL: not made yet. */
	uint32_t *first;
	size_t n_first;
	unsigned shift;
};
/* Of one file. */
struct hints {
	struct list node; /* in translator.hints */
	char id[2 * BUILD_ID_MAX + 1];
	uint32_t mark;		  /* of the id: what rows know the file by */
	uint32_t ran[N_HINTS_BY]; /* who has run some of it */
	/* ... and each time something else: much of what is known of them was
	 * not run the last time. */
	uint32_t varied[N_HINTS_BY];
	/* Of the file as it was when it was found to have no restartable
	 * sequences (section.h); 0: it was not. */
	uint64_t plain;
	bool told_plain; /* ... since it was read */
	struct places known[N_HINTS_KINDS];
	struct buf fresh[N_HINTS_KINDS]; /* rows, in any order */
};

/* ... as a module of a space. */
struct module_hints {
	struct hints *of; /* NULL: nothing is learnt of it */
	enum hints_by by; /* what is known of whom is gone by */
	size_t n_begun;	  /* of HINTS_MET, that hints_next_met() has told */
	struct saved_module saved;
	/* Blocks that were known, as far as they tell whether they ran. */
	uint32_t n_asked, n_ran;
};

enum hint {
	HINT_NONE,    /* nothing is learnt of that file */
	HINT_NEW,     /* it was not run so far, as far as is known */
	HINT_APART,   /* only by other commands of this program */
	HINT_OTHERS,  /* only in other programs; of this one nothing is known */
	HINT_PROGRAM, /* in this one; of this command nothing is known */
	HINT_RUN,     /* by this command */
};
static inline bool hint_is_known(enum hint hint)
{
	return hint >= HINT_OTHERS;
}

/* ... to run in what is run now? */
static inline bool hint_is_own(enum hint hint)
{
	return hint >= HINT_PROGRAM;
}

/* Is code that was saved, and begins there, likely to run now? This command has
 * run it; or nothing is known of that, and the program has, and more than half of
 * the commands that have run any of the file. */
bool hints_want(struct space *sp, uint64_t pc);

/* Of a block at pc, whose code may be read. */
enum hint hints_ask(struct space *sp, uint64_t pc);

/* Of the file that is mapped at base, whose module that is. */
struct module_hints hints_open(struct space *sp, uint64_t base);

/* Is what is known of the command or program, and the file that pc is in, what
 * it ran the last time, or nearly so? */
bool hints_are_close(struct space *sp, uint64_t pc);

/* Where the indirect branch at that place goes, in code of a file that was run
 * already. */
bool hints_goes(struct space *sp, uint64_t site, uint64_t *target);

/* One after the other, where indirect branches led in the file that pc is in:
 * what may be executed there, whatever it is. False: that was all. */
bool hints_next_met(struct space *sp, uint64_t pc, uint64_t *target);

/* Of the file that pc is in: struct hints, plain. NULL: nothing is kept of it,
 * and nothing is to be told. */
const uint64_t *hints_plain(struct space *sp, uint64_t pc);
void hints_tell_plain(struct space *sp, uint64_t pc, uint64_t sum);

/* What the space's blocks have told, or those of the region that is ending. */
void hints_learn(struct space *sp);

void hints_free(struct translator *tr);

#endif
