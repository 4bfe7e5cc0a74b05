/*
 * The code of this machine: every executable section of ELF files for x86-64
 * and i386, to try a decoder on.
 */
#ifndef TEST_CODE_SWEEP_H
#define TEST_CODE_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/decode.h"

/* Mapped only while the function runs; the file's name as long as that. */
struct code_section {
	const char *file;
	const uint8_t *code;
	size_t size;
	uint64_t addr;
	enum x86_mode mode;
};

typedef void code_section_fn(const struct code_section *s);

/*
 * Calls fn for the sections of all files given, which may also be folders; the
 * list ends with NULL. When it is empty, those of all libraries and programs,
 * or if quick of a few libraries. What cannot be read is passed over. Returns
 * how many files were swept.
 */
unsigned long code_sweep(char **paths, bool quick, code_section_fn *fn);

#endif
