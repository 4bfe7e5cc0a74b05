/*
 * Lines of source, out of a file's DWARF, or that of its separate debug file:
 * rows by offset as those of trace/symbols.h, of which each holds up to the
 * next one.
 */
#ifndef TRACE_LINES_H
#define TRACE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbols;

struct line_row {
	uint64_t begin;
	uint32_t file;	/* a number for lines_file(); 0: of nothing known */
	uint32_t line;	/* 0: code that belongs to none */
	uint32_t order; /* of those at one place, while they are read */
	bool statement; /* a debugger would stop here for the line */
};

/* Never NULL; there may be none. */
struct lines *lines_new(const struct symbols *s);
void lines_free(struct lines *l);

/* The row that covers it, or NULL; until the next one is asked for. */
const struct line_row *lines_find(struct lines *l, uint64_t offset);

/* All of them, in order. */
const struct line_row *lines_all(struct lines *l, size_t *n);

/* Files have numbers from 1 to lines_files(). */
const char *lines_file(const struct lines *l, uint32_t file);
uint32_t lines_files(const struct lines *l);

/* Calls fn for each function that the source has and that there is code of,
 * with the line of its declaration. */
typedef void lines_function_fn(void *user, uint64_t begin, const char *name,
			       uint32_t file, uint32_t line);
void lines_functions_each(struct lines *l, lines_function_fn *fn, void *user);

#endif
