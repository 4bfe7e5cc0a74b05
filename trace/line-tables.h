/*
 * Line tables of a file (DWARF 5, 6.2), read without the rest of its DWARF. That
 * is compressed in debug files as systems have them, and libdw uncompresses all
 * of it before it tells the first line; of which those that are wanted are few.
 *
 * Version 5 alone, whose tables name their folders themselves.
 */
#ifndef TRACE_LINE_TABLES_H
#define TRACE_LINE_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_table;
struct line_tables;

/* Rows whose addresses do not go back; the last one is its end. */
struct line_sequence {
	uint64_t begin, end;
	const uint8_t *program;
	struct line_table *table;
};

struct line_step {
	uint64_t address;
	uint32_t file, line;
	bool statement, end;
};

typedef void line_step_fn(void *user, const struct line_step *s);

/* NULL: it has none, or some that are not known here. vaddr: the lowest address
 * that its first segment is to have. */
struct line_tables *line_tables_new(const char *path, uint64_t vaddr);
void line_tables_free(struct line_tables *t);

/* All of them, in the order of their begin. */
const struct line_sequence *line_tables_all(const struct line_tables *t,
					    size_t *n);
/* Its rows, in order. */
void line_sequence_each(const struct line_sequence *s, line_step_fn *fn,
			void *user);
/* A file of its rows; NULL: there is none of that number. Until they are freed.
 */
const char *line_sequence_file(const struct line_sequence *s, uint32_t file);

#endif
