/* The sorted list behind trace/symbols.h: symbols from all sources, of which
 * one is left for each place. */
#ifndef TRACE_SYMBOLS_LIST_H
#define TRACE_SYMBOLS_LIST_H

#include "trace/symbols.h"

/* Ranks: of those of one place, and of those that lie within another. */
enum {
	SYMBOL_FRAME = 1,  /* only its unwinding data is there */
	SYMBOL_LABEL = 2,  /* nobody says that it is a function */
	SYMBOL_STUB = 3,   /* of the PLT */
	SYMBOL_NAMED = 16, /* and above: of a symbol table */
};

/* Zero-initialised is empty. */
struct symbol_list {
	struct symbol *all;
	size_t n, cap;
	uint32_t *whole; /* of the cold part of a function: that, + 1 */
};

/* Takes the name over. */
void symbol_list_add(struct symbol_list *l, const struct symbol *s);
/* All are added: it may be searched. */
void symbol_list_close(struct symbol_list *l);
/* cold-parts.c: parts without names become what they jump back into, by the
 * code of s. It is closed. */
void symbol_list_join(struct symbol_list *l, const struct symbols *s);
const struct symbol *symbol_list_find(const struct symbol_list *l,
				      uint64_t offset);
void symbol_list_fini(struct symbol_list *l);

#endif
