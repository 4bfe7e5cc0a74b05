/* How access.c and access-vec.c put together what an instruction touches. */
#ifndef ARCH_X86_64_ACCESSES_H
#define ARCH_X86_64_ACCESSES_H

#include "arch/x86_64/access.h"

struct accesses {
	const struct x86_instr *in;
	struct x86_access *out;
	unsigned n;
};

enum { R = 1, W = 2, RW = 3, NONE = 0 };

static inline void add(struct accesses *a, enum x86_where where, int how,
		       unsigned size)
{
	if (how)
		a->out[a->n++] = (struct x86_access){
			.where = (uint8_t)where,
			.reads = how & R,
			.writes = how & W,
			.exact = where != X86_AT_ROWS && where != X86_AT_BITS,
			.size = (uint16_t)size,
		};
}

/* What is not as large as it says, or is left out at times. */
static inline void add_most(struct accesses *a, enum x86_where where, int how,
			    unsigned size)
{
	add(a, where, how, size);
	if (how)
		a->out[a->n - 1].exact = false;
}

static inline bool has_memory(const struct x86_instr *in)
{
	return in->modrm_at && in->modrm < 0xc0;
}

static inline bool is_wide(const struct x86_instr *in)
{
	return in->map >= X86_MAP_VEX;
}

/* None, 66, F3, F2: 0 to 3. */
static inline unsigned prefix(const struct x86_instr *in)
{
	if (is_wide(in))
		return in->vex_pp;
	return in->prefixes & X86_PFX_F2   ? 3
	       : in->prefixes & X86_PFX_F3 ? 2
	       : in->prefixes & X86_PFX_66 ? 1
					   : 0;
}

/* Of an instruction of a vector map with a memory operand: adds what it
 * touches. map: 1 to 3, for 0F, 0F38, 0F3A. */
void accesses_vector(struct accesses *a, const uint8_t *code, unsigned map);

#endif
