/* A profile by module and by function: for the page, and for comparisons. */
#ifndef TRACE_SUMMARY_H
#define TRACE_SUMMARY_H

#include "trace/hits.h"
#include "trace/profile.h"

struct summary_function {
	const char *name;
	uint32_t object;
	uint64_t begin; /* its place; 0: of code that no symbol covers */
	uint64_t calls, cost, all; /* all: with what it calls, once */
	uint64_t covered, size;	   /* bytes; size 0: not known */
};

struct summary_module {
	uint32_t object;
	uint32_t functions, executed; /* how many */
	uint64_t cost, covered, size;
};

struct summary {
	struct summary_function *functions; /* those that were never executed
					     * are among them */
	uint32_t n_functions;
	struct summary_module *modules;
	uint32_t n_modules;
	uint64_t instructions, executions, blocks;
};

/* p has PROFILE_TREE; names are borrowed of its story. globs may be NULL. */
void summary_make(struct summary *s, struct profile *p,
		  const struct globs *globs);
void summary_fini(struct summary *s);

#endif
