/*
 * What translated code has recorded: for the layer above, who makes files of
 * it. Records outlive the original code: blocks of libraries that are unloaded
 * stay until the process ends or executes another program, or the cache is
 * dropped, and whoever listens is told before that.
 */
#ifndef TRANSLATE_RECORD_H
#define TRANSLATE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "translate/translate.h"

struct process;
struct space;
struct target;

/* A file as it was mapped when its code was translated, or the vdso. */
struct translate_module {
	const char *path;
	uint64_t base, size; /* of all its mappings together */
	uint64_t offset;     /* of the lowest one, in the file */
	enum exclusion excluded;
};

struct translate_block {
	uint64_t pc;
	uint32_t length; /* bytes */
	uint32_t instructions;
	/* How often it was begun; with MODE_COVERAGE 1 at most. In other
	 * modes but MODE_COUNT it says nothing. */
	uint64_t hits;
	const struct translate_module *module; /* NULL: of no file */
};

typedef void translate_block_fn(void *user, const struct translate_block *b);

/* The code of a followed process; NULL: it is not followed. */
const struct space *translate_space(const struct process *p);

/* What it was followed for. */
enum trace_mode translate_mode(const struct space *sp);

/* Calls fn for each block, in no particular order. Those that never ran are
 * among them, and one pc may be there again. All that fn gets is borrowed until
 * it returns. */
void translate_blocks_each(const struct space *sp, translate_block_fn *fn,
			   void *user);

typedef void translate_module_fn(void *user, const struct translate_module *m);

/* Calls fn for each module that code was translated of; those that were
 * unloaded are among them. */
void translate_modules_each(const struct space *sp, translate_module_fn *fn,
			    void *user);

/* Told before records go, with the process that they began with; that one, and
 * all of its threads, may have ended already. Where only some blocks go,
 * translate_blocks_each() has these alone until it returns. */
typedef void translate_end_fn(void *user, pid_t pid, const struct space *sp);

/* There is one such listener; fn may be NULL. */
void translate_on_end(struct target *t, translate_end_fn *fn, void *user);

#endif
