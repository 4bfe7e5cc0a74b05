/*
 * Blocks that ran, merged over all processes and all that they executed: a
 * block is a module, an offset into it and a length. A module is a path: where
 * it was mapped first is what is remembered.
 */
#ifndef TRACE_HITS_H
#define TRACE_HITS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"
#include "translate/record.h"

/* Globs of modules: of their path, or its last part. A module is wanted if one
 * of include matches it, or there is none, and none of exclude does. */
struct globs {
	const char **include, **exclude; /* borrowed strings */
	unsigned n_include, n_exclude;
};

bool globs_want(const struct globs *g, const char *path);
void globs_add(const char ***list, unsigned *n, const char *glob);
void globs_fini(struct globs *g);

struct hits_module {
	char *path; /* "": code of no file, by 4 GiB of addresses */
	uint64_t base, size;
	bool wanted;
};

struct hits_block {
	uint32_t module, offset;
	uint16_t length, instructions;
	uint64_t hits; /* not 0 */
};

/* Zero-initialised but for globs is empty. */
struct hits {
	struct globs *globs; /* borrowed */
	struct hits_module *modules;
	uint32_t n_modules, cap_modules;
	struct hits_block *blocks;
	uint32_t n_blocks, cap_blocks;
	struct map known; /* module, length and offset -> index + 1 */
};

void hits_fini(struct hits *h);

/* Adds a block, if it ran. */
void hits_add(struct hits *h, const struct translate_block *b);

/* Adds what ran of the space's blocks. */
void hits_take(struct hits *h, const struct space *sp);

/* Adds all that another has, which wants the same modules. */
void hits_merge(struct hits *h, const struct hits *more);

/*
 * drcov version 2, as Lighthouse, bncov and Cartographer all read it: module
 * table version 5 with one row a module, blocks in binary. Code of no file is
 * left out.
 */
void hits_write_drcov(const struct hits *h, FILE *f);

/*
 * drcov version 3, as drcov2lcov wants it: one row for each segment, from whose
 * start blocks count. What the segments are is read from the files.
 */
void hits_write_drcov3(const struct hits *h, FILE *f);

/* As its readers can take it, and the end of the line. */
void drcov_put_path(const char *path, FILE *f);

/* 2 or 3, or it is said on stderr that it is neither. */
bool drcov_take_version(const char *text, unsigned *version);

/* A table, the most frequent first; its head says what the columns are. */
void hits_write_counts(struct hits *h, FILE *f);

#endif
