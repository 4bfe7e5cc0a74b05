/*
 * The tables of gdb's `info os` (gdb manual, "Operating System Auxiliary
 * Information"), with the columns and the contents that gdb's own have on
 * Linux. Two cells differ where gdb's are wrong or empty: a program's name is
 * whole when it has a blank in it, and a user or group without a name is
 * shown by number.
 */
#ifndef SERVER_OSDATA_H
#define SERVER_OSDATA_H

#include <stddef.h>

#include "base/buf.h"

/*
 * Zero-initialised is empty; owned by the caller of osdata_read(), who ends
 * with osdata_fini(). Cells and column names are UTF-8 that may stand in XML
 * once <, > and & are escaped.
 */
struct osdata_table {
	const char *type; /* the document's type attribute; static */
	size_t n_columns, n_cells; /* n_cells: rows * columns */
	size_t *at;	/* offsets into text: columns, then cells by row */
	struct buf text;
};

/*
 * Takes the table now. name is the annex of qXfer:osdata:read: "" is the same
 * as "types". -ENOENT: there is no such table. What the kernel or our rights
 * hide makes no rows, and no error.
 */
int osdata_read(struct osdata_table *t, const char *name);

void osdata_fini(struct osdata_table *t);

static inline size_t osdata_rows(const struct osdata_table *t)
{
	return t->n_columns ? t->n_cells / t->n_columns : 0;
}

/* Both borrowed from the table. */
static inline const char *osdata_column(const struct osdata_table *t,
					size_t column)
{
	return t->text.data + t->at[column];
}

static inline const char *osdata_cell(const struct osdata_table *t, size_t row,
				      size_t column)
{
	return t->text.data + t->at[(row + 1) * t->n_columns + column];
}

#endif
