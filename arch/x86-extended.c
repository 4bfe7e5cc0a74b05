/*
 * The XSAVE area in standard format, as NT_X86_XSTATE moves it. Components
 * whose bit in XSTATE_BV is clear are in their initial state, whatever their
 * bytes are (SDM vol. 1, 13.6).
 */
#include <stdbool.h>
#include <string.h>

#include "arch/x86.h"
#include "arch/x87.h"

/* MXCSR belongs to both, and is at home in the legacy region (13.5.2). */
#define MXCSR_OWNERS (X86_BIT(X86_SSE) | X86_BIT(X86_AVX))

/* What MXCSR_MASK means where it is 0 (SDM vol. 1, 11.6.6). */
#define MXCSR_MASK_OLD 0xffbf

/* Bytes of a component that starts out as zeros. */
static const uint16_t component_size[N_X86_COMPONENTS] = {
	[X86_SSE] = 256,       [X86_AVX] = 256,	  [X86_BNDREGS] = 64,
	[X86_BNDCSR] = 64,     [X86_OPMASK] = 64, [X86_ZMM_HI256] = 512,
	[X86_HI16_ZMM] = 1024, [X86_PKRU] = 8,
};

/* An area that is being changed. */
struct area {
	const struct xsave_layout *layout;
	uint8_t *raw;
	size_t len;
	uint64_t bv;
};

/* An area without a header is FXSAVE's, which has no initial states. */
static uint64_t state_bv(const uint8_t *raw, size_t len)
{
	uint64_t bv = X86_BIT(X86_X87) | X86_BIT(X86_SSE);

	if (len < X86_LEGACY_SIZE)
		return 0;
	if (len >= X86_HEADER_END)
		memcpy(&bv, raw + X86_STATE_BV_AT, sizeof(bv));
	return bv;
}

void x86_extended_unpack(const struct x86_arch *x, const uint8_t *raw,
			 size_t len, uint8_t *regs)
{
	const struct x86_plan *p = &x->extended;
	uint64_t bv = state_bv(raw, len);
	uint32_t mxcsr = X86_MXCSR_INIT;

	for (const struct x86_run *r = p->runs; r < p->runs + p->n; r++) {
		if (bv & X86_BIT(r->component) && r->end <= len)
			x86_run_load(r, raw, regs);
		else
			memset(regs + r->packed, 0, r->size * r->count);
	}
	if (bv & X86_BIT(X86_X87))
		x87_control_unpack(raw, regs + x->control_at);
	else
		x87_control_init(regs + x->control_at);
	if (bv & MXCSR_OWNERS)
		memcpy(&mxcsr, raw + X86_MXCSR_AT, sizeof(mxcsr));
	memcpy(regs + x->mxcsr_at, &mxcsr, sizeof(mxcsr));
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return !*p && !memcmp(p, p + 1, n - 1);
}

/* Gives a component that is in its initial state the bytes of that state. */
static void component_wake(struct area *a, unsigned c)
{
	size_t at = c == X86_SSE ? X86_XMM_AT : a->layout->offset[c];
	size_t n = component_size[c];

	if (a->bv & X86_BIT(c))
		return;
	if (c == X86_X87)
		x87_raw_init(a->raw);
	else if (at < a->len)
		memset(a->raw + at, 0, n < a->len - at ? n : a->len - at);
	a->bv |= X86_BIT(c);
}

static void run_pack(struct area *a, const struct x86_run *r,
		     const uint8_t *regs)
{
	if (r->end > a->len)
		return;
	if (!(a->bv & X86_BIT(r->component))) {
		if (all_zero(regs + r->packed, r->size * r->count))
			return;
		component_wake(a, r->component);
	}
	x86_run_store(r, regs, a->raw);
}

static void control_pack(struct area *a, const uint8_t *regs)
{
	if (!(a->bv & X86_BIT(X86_X87))) {
		if (x87_control_is_init(regs))
			return;
		component_wake(a, X86_X87);
	}
	x87_control_pack(regs, a->raw);
}

/* The kernel refuses the whole set for a reserved bit, so there is none. */
static void mxcsr_pack(struct area *a, const uint8_t *regs)
{
	uint32_t mxcsr, mask;

	memcpy(&mxcsr, regs, sizeof(mxcsr));
	memcpy(&mask, a->raw + X86_MXCSR_MASK_AT, sizeof(mask));
	mxcsr &= mask ? mask : MXCSR_MASK_OLD;
	if (!(a->bv & MXCSR_OWNERS)) {
		if (mxcsr == X86_MXCSR_INIT)
			return;
		component_wake(a, X86_SSE);
	}
	memcpy(a->raw + X86_MXCSR_AT, &mxcsr, sizeof(mxcsr));
}

void x86_extended_pack(const struct x86_arch *x, const uint8_t *regs,
		       uint8_t *raw, size_t len)
{
	const struct x86_plan *p = &x->extended;
	struct area a = { &x->layout, raw, len, state_bv(raw, len) };

	if (len < X86_LEGACY_SIZE)
		return;
	for (const struct x86_run *r = p->runs; r < p->runs + p->n; r++)
		run_pack(&a, r, regs);
	control_pack(&a, regs + x->control_at);
	mxcsr_pack(&a, regs + x->mxcsr_at);
	if (len >= X86_HEADER_END)
		memcpy(raw + X86_STATE_BV_AT, &a.bv, sizeof(a.bv));
}
