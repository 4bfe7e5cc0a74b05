/*
 * Copy plans. A register set is moved by a handful of strided copies, not
 * register by register: the g packet is asked for at every stop.
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "arch/x86.h"
#include "base/mem.h"

static bool run_extend(struct x86_run *r, unsigned component, int raw,
		       unsigned packed, unsigned size)
{
	int stride = r->count == 1 ? raw - r->raw : r->stride;

	if (r->component != component || r->size != size ||
	    r->packed + r->count * size != packed ||
	    r->raw + r->count * stride != raw)
		return false;
	r->stride = (int16_t)stride;
	r->count++;
	if (raw + size > r->end)
		r->end = (uint16_t)(raw + size);
	return true;
}

void x86_plan_add(struct x86_plan *p, unsigned component, unsigned raw,
		  unsigned packed, unsigned size)
{
	if (p->n &&
	    run_extend(&p->runs[p->n - 1], component, (int)raw, packed, size))
		return;
	assert(p->n < ARRAY_SIZE(p->runs));
	p->runs[p->n++] = (struct x86_run){
		.raw = (uint16_t)raw,
		.packed = (uint16_t)packed,
		.size = (uint16_t)size,
		.count = 1,
		.stride = (int16_t)size,
		.end = (uint16_t)(raw + size),
		.component = (uint8_t)component,
	};
}

/* How to step from one register to the next, on both sides. */
struct walk {
	uint8_t *to;
	const uint8_t *from;
	ptrdiff_t to_step, from_step;
	unsigned count;
};

/* Inlined with a constant size, so that each turn is one or two moves. */
static inline __attribute__((always_inline)) void walk_copy(struct walk w,
							    size_t size)
{
	for (unsigned i = 0; i < w.count; i++) {
		memcpy(w.to, w.from, size);
		w.to += w.to_step;
		w.from += w.from_step;
	}
}

static void copy_strided(struct walk w, size_t size)
{
	if (w.count > 4 && w.to_step == (ptrdiff_t)size &&
	    w.from_step == w.to_step) {
		memcpy(w.to, w.from, size * w.count);
		return;
	}
	switch (size) {
	case 4:
		walk_copy(w, 4);
		break;
	case 8:
		walk_copy(w, 8);
		break;
	case 10:
		walk_copy(w, 10);
		break;
	case 16:
		walk_copy(w, 16);
		break;
	case 32:
		walk_copy(w, 32);
		break;
	default:
		walk_copy(w, size);
	}
}

void x86_run_load(const struct x86_run *r, const uint8_t *raw, uint8_t *regs)
{
	copy_strided((struct walk){ regs + r->packed, raw + r->raw, r->size,
				    r->stride, r->count },
		     r->size);
}

void x86_run_store(const struct x86_run *r, const uint8_t *regs, uint8_t *raw)
{
	copy_strided((struct walk){ raw + r->raw, regs + r->packed, r->stride,
				    r->size, r->count },
		     r->size);
}

void x86_general_unpack(const struct x86_arch *x, const uint8_t *raw,
			uint8_t *regs)
{
	const struct x86_plan *p = &x->general;

	for (const struct x86_run *r = p->runs; r < p->runs + p->n; r++)
		x86_run_load(r, raw, regs);
}

void x86_general_pack(const struct arch *a, const uint8_t *regs, uint8_t *raw)
{
	const struct x86_plan *p = &((const struct x86_arch *)a)->general;

	for (const struct x86_run *r = p->runs; r < p->runs + p->n; r++)
		x86_run_store(r, regs, raw);
}
