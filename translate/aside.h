/*
 * Much code at once is written aside: into memory of our own, of huge pages,
 * from where all of it is copied into the region. Pages that are shared, with
 * the debuggee or with who outlives us, are not huge; and where a hypervisor
 * keeps the page tables the first look at each takes as long as to copy five.
 * Private to translate/.
 */
#ifndef TRANSLATE_ASIDE_H
#define TRANSLATE_ASIDE_H

#include "translate/cache.h"

struct aside {
	struct region *rg;
	uint8_t *room, *map;	     /* what stands for the region's memory */
	struct stream hot, cold;     /* ... as they were */
	uint32_t n_marks[2];	     /* so far, which others do not see yet */
	uint32_t n_stubs, data_used; /* as they were */
	size_t stub_code_ready;
};

/* Is it worth that for so many bytes of code and marks? */
bool aside_pays(uint64_t bytes);

/* What the region gets from now on is aside: nothing that it had before may be
 * looked at, or changed. Records of stubs are not. */
void aside_begin(struct aside *a, struct region *rg);
/* All of it is there. */
void aside_end(struct aside *a);

#endif
