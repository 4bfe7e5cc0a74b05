/*
 * Instructions as people read them: for the layer above. By capstone, in gdb's
 * syntax; what capstone does not know, or all where it is not installed, has a
 * length all the same if the translator knows it.
 */
#ifndef TRANSLATE_DISASSEMBLE_H
#define TRANSLATE_DISASSEMBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disassembler;

struct disassembled {
	unsigned length;   /* at least 1: of what nobody knows */
	char mnemonic[32]; /* without a suffix of its size; "": not known */
	char text[192];	   /* the whole; (bad) if it is not known */
	uint8_t groups[16];
	unsigned n_groups;
};

struct disassembler *disassembler_new(void);
void disassembler_free(struct disassembler *d); /* NULL is allowed */

/* The instruction at addr, which begins with these bytes; n is not 0. */
void disassemble(struct disassembler *d, const uint8_t *code, size_t n,
		 uint64_t addr, struct disassembled *out);

/* Is it in the group of that name? They are capstone's: jump, call, ret, int,
 * sse1, avx, ... */
bool disassembled_is(const struct disassembler *d,
		     const struct disassembled *in, const char *group);

bool disassembler_has_group(const struct disassembler *d, const char *name);
bool disassembler_has_mnemonic(const struct disassembler *d, const char *name);

#endif
