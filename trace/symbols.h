/*
 * Functions of an ELF file, as far as they can be told: from its symbol tables
 * and those of its separate debug file, stubs of its PLT by what they are
 * linked to, and what is left from .eh_frame, which stripped files keep. By
 * libdwfl of elfutils.
 *
 * Offsets count from where the file's lowest segment is mapped, as those of
 * trace/story.h do.
 */
#ifndef TRACE_SYMBOLS_H
#define TRACE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Dwfl_Module;

struct symbol {
	uint64_t begin, end; /* end is behind it */
	char *name;
	char *plain;   /* symbols_name(): NULL, nobody has asked yet */
	uint8_t flags; /* FUNCTION_* of trace/story.h */
	bool open;     /* it has no size: it ends at the next one, at most */
	bool part;     /* nobody calls it: it belongs to another function */
	uint8_t rank;  /* which of two at one place is meant: the larger */
};

/* offset: of the lowest segment in the file. Never NULL; a file that cannot be
 * read has none. */
struct symbols *symbols_new(const char *path, uint64_t offset);
void symbols_free(struct symbols *s);

size_t symbols_count(const struct symbols *s);
/* Those are sorted by place. */
const struct symbol *symbols_at(const struct symbols *s, size_t index);
size_t symbols_index(const struct symbols *s, const struct symbol *of);
/* The function that covers it, or NULL. The cold parts of a function that the
 * compiler has put elsewhere are that function, if they are named after it or
 * jump back into it. */
const struct symbol *symbols_find(const struct symbols *s, uint64_t offset);

/* Its name for who reads it, demangled. */
const char *symbols_name(struct symbols *s, const struct symbol *of);

/* An offset is that address of the file's own. */
uint64_t symbols_vaddr(const struct symbols *s, uint64_t offset);

/* The file's bytes of there, as they are loaded; NULL: it has none, or not so
 * many. Borrowed. */
const uint8_t *symbols_bytes(const struct symbols *s, uint64_t offset,
			     size_t n);

/* Its segments, in order: offsets of their pages, and of those in the file. */
struct symbols_segment {
	uint64_t begin, end, file;
};
size_t symbols_segments(const struct symbols *s, struct symbols_segment *out,
			size_t most);

/* For who wants more of the file, as lines; NULL: it cannot be read. *bias is
 * what libdwfl's addresses have in excess of offsets. */
struct Dwfl_Module *symbols_module(const struct symbols *s, uint64_t *bias);

#endif
