/*
 * Code that is saved: what was translated of a file goes into another, for each
 * program that runs it, and is put into the cache at once where that code is
 * first run again. Private to translate/.
 *
 * It is saved in chains (x86_64/compile.c), with what depends on where the file
 * and the cache lie: a relocation for each such field. Only code that nothing
 * was put into is: of plain read-only mappings, which goes by nothing but the
 * bytes of its file. All else is translated as ever, and so is what stands on
 * pages that have other bytes than the file. The file that it was made of is
 * told by its build ID, inode, size and times; who made it, by the build ID of
 * the server.
 */
#ifndef TRANSLATE_SAVED_H
#define TRANSLATE_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compiler;
struct region;
struct space;
struct writer;

/* Fields of code that depend on where something lies. Their offset in the
 * region has 28 bits, the kind 4. */
enum reloc_kind {
	RELOC_OPERAND, /* 4 bytes, relative to where they are: original memory
			*/
	RELOC_LOW,     /* 4 bytes: the low half of an original address */
	RELOC_NEGATED, /* ... that, negated */
	/* A return address that is pushed, as w_push_return() writes it, from
	 * its first immediate on: it has one, or two. */
	RELOC_RETURN,
	RELOC_RETURN_WIDE,
	RELOC_JUMP, /* 4 bytes, relative to behind them: an offset of the region
		     */
	RELOC_STORE, /* the store of coverage.c begins there */
};

#define RELOC_SHIFT 28
#define RELOC_AT    ((UINT32_C(1) << RELOC_SHIFT) - 1)

/* What was written in one piece: of each kind, from and up to where. */
struct chain {
	struct span {
		uint32_t from, to;
	} hot, cold, blocks, sites, caches, relocs;
	/* A landing at its end, for that pc, with nothing but a jump behind; 0:
	 * there is none. */
	uint32_t tail;
	uint64_t tail_pc;
};

/* ... of a module of a space, as far as its code is saved. */
struct saved_module {
	bool tried;	 /* what was saved is there, if there was anything */
	bool off;	 /* nothing of it is to be saved */
	uint64_t lo, hi; /* of its code */
	uint64_t file;	 /* the sum of its file, see section_file() */
	uint8_t *dirty;	 /* a bit for each page of lo..hi, owned; NULL: none */
	uint32_t n_blocks;  /* of what was saved */
	uint32_t n_left;    /* ... that were not put there */
	uint32_t n_refused; /* struct saved_head */
};

/* --- x86_64/chain.c: what is written ------------------------------------- */

/* A chain is about to be written, and was; own: for one thread. */
void chain_begin(struct writer *w, bool own);
void chain_end(struct writer *w);
/* It has something that is not saved. */
void chain_spoil(struct space *sp);
/* A field in it, at that offset. */
void chain_reloc(struct writer *w, enum reloc_kind kind, uint32_t at);
/* The landing with which it ends. */
void chain_tail(struct writer *w, uint32_t landing, uint64_t pc);
/* None of the region's is there any more. */
void chains_reset(struct region *rg);

/* --- saved.c -------------------------------------------------------------- */

/* Where code is saved, for pc's file and program, and that was not done yet, it
 * is put into the cache. A batch is being written. */
void saved_come(struct compiler *c, uint64_t pc);

/* Bytes there are other ones than the file's, or may be. */
void saved_changed(struct space *sp, uint64_t lo, uint64_t hi);

/* Has the page of pc other bytes than the file, or is it none of its code? */
bool saved_is_dirty(const struct saved_module *m, uint64_t pc);

/* All that is there, and may be saved, is, if it has grown. */
void saved_save(struct space *sp, uint32_t module);

void saved_free(struct saved_module *m);

#endif
