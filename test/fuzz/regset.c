/*
 * Any image of any length, with any layout of the components, through both
 * tables: nothing outside of the buffers, and what is not changed stays.
 * The first bytes choose the table, the components and a register to change.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/mem.h"

#define AREA_SIZE 2696

struct choice {
	uint8_t set, reg;
	uint16_t features;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arch *arch_choose(const struct choice *c)
{
	struct xsave_layout l = {
		.features = c->features,
		.size = AREA_SIZE,
		.offset = { [2] = 576,
			    [3] = 960,
			    [4] = 1024,
			    [5] = 1088,
			    [6] = 1152,
			    [7] = 1664,
			    [9] = 2688 },
	};

	return c->set & 2 ? arch_i386_new(&l) : arch_x86_64_new(&l);
}

/* The kernel gives no reserved bits of MXCSR; pack would clear them. */
static void mxcsr_clean(uint8_t *raw, size_t len)
{
	if (len >= 512) {
		memset(raw + 28, 0, 4);
		raw[24] &= 0xbf;
		memset(raw + 26, 0, 2);
	}
}

static void regset_try(const struct arch *a, const struct choice *c,
		       uint8_t *raw, size_t len)
{
	enum regset set = c->set & 1;
	const struct regdesc *d = &a->regs[c->reg % a->n_regs];
	uint8_t *was = xmalloc(len), *regs = xcalloc(1, a->regs_size);

	if (set == REGSET_EXTENDED)
		mxcsr_clean(raw, len);
	memcpy(was, raw, len);
	a->unpack(a, set, raw, len, regs);
	a->pack(a, set, regs, raw, len);
	assert(!memcmp(raw, was, len));
	regs[d->packed_at] ^= 1;
	a->pack(a, set, regs, raw, len);
	a->unpack(a, set, raw, len, regs);
	free(regs);
	free(was);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choice c;
	struct arch *a;
	uint8_t *raw;

	if (size < sizeof(c))
		return 0;
	memcpy(&c, data, sizeof(c));
	size -= sizeof(c);
	raw = xmalloc(size);
	memcpy(raw, data + sizeof(c), size);
	a = arch_choose(&c);
	regset_try(a, &c, raw, size);
	arch_free(a);
	free(raw);
	return 0;
}
