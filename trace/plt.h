/*
 * Functions that no symbol tells of: stubs of the PLT, named after what they
 * are linked to, `puts@plt`; and what has unwinding data alone, named after its
 * address. libdwfl has neither.
 */
#ifndef TRACE_PLT_H
#define TRACE_PLT_H

#include <stdint.h>

#include "trace/lazy.h"
#include "trace/symbols-list.h"

struct elf_file {
	const struct elfutils *u;
	Elf *elf;
	uint64_t vaddr; /* what its own addresses have in excess of offsets */
};

struct elf_section {
	const char *name;
	Elf_Scn *scn;
	GElf_Shdr header;
};

/* The next one, from a zeroed s on. */
bool elf_section_next(const struct elf_file *f, struct elf_section *s);

void plt_add(struct symbol_list *l, const struct elf_file *f);
void frames_add(struct symbol_list *l, const struct elf_file *f);

#endif
