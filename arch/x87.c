#include "arch/x87.h"

#include <stddef.h>
#include <string.h>

#include "arch/x86.h"
#include "base/mem.h"

enum { FCTRL, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP, N_WORDS };

#define FCTRL_INIT 0x37f
#define FTAG_INIT  0xffff
#define FTAG_AT	   4 /* one byte, a bit a physical register */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

/* In 64-bit images, fiseg and foseg are bits 32-47 of the two pointers. */
/* clang-format off */
static const struct word {
	uint8_t index, at, size;
	uint32_t mask;
} words[] = {
	{ FCTRL, 0, 2, 0xffff },
	{ FSTAT, 2, 2, 0xffff },
	{ FISEG, 12, 2, 0xffff },
	{ FIOFF, 8, 4, 0xffffffff },
	{ FOSEG, 20, 2, 0xffff },
	{ FOOFF, 16, 4, 0xffffffff },
	{ FOP, 6, 2, 0x7ff },
};
/* clang-format on */

static unsigned tag_of(const uint8_t *st)
{
	uint64_t fraction;
	uint16_t exponent;

	memcpy(&fraction, st, 8);
	memcpy(&exponent, st + 8, 2);
	exponent &= 0x7fff;
	if (exponent == 0)
		return fraction ? TAG_SPECIAL : TAG_ZERO;
	if (exponent == 0x7fff || !(fraction >> 63))
		return TAG_SPECIAL;
	return TAG_VALID;
}

/* Tags go by physical register, the image has them by distance from top. */
static uint32_t tags_expand(const uint8_t *raw, unsigned top)
{
	uint32_t full = 0;

	if (!raw[FTAG_AT])
		return FTAG_INIT;
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *st = raw + X86_ST_AT + ((i - top) & 7) * 16;
		unsigned tag = raw[FTAG_AT] >> i & 1 ? tag_of(st) : TAG_EMPTY;

		full |= tag << 2 * i;
	}
	return full;
}

static uint8_t tags_abridge(uint32_t full)
{
	uint8_t used = 0;

	for (unsigned i = 0; i < 8; i++)
		if ((full >> 2 * i & 3) != TAG_EMPTY)
			used |= (uint8_t)(1u << i);
	return used;
}

void x87_control_unpack(const uint8_t *raw, uint8_t *regs)
{
	uint32_t v[N_WORDS] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		memcpy(&v[words[i].index], raw + words[i].at, words[i].size);
		v[words[i].index] &= words[i].mask;
	}
	v[FTAG] = tags_expand(raw, v[FSTAT] >> 11 & 7);
	memcpy(regs, v, sizeof(v));
}

void x87_control_pack(const uint8_t *regs, uint8_t *raw)
{
	uint32_t v[N_WORDS];

	memcpy(v, regs, sizeof(v));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];
		uint32_t old = 0;

		memcpy(&old, raw + w->at, w->size);
		old = (old & ~w->mask) | (v[w->index] & w->mask);
		memcpy(raw + w->at, &old, w->size);
	}
	raw[FTAG_AT] = tags_abridge(v[FTAG]);
}

void x87_control_init(uint8_t *regs)
{
	const uint32_t v[N_WORDS] = {
		[FCTRL] = FCTRL_INIT, [FTAG] = FTAG_INIT
	};

	memcpy(regs, v, sizeof(v));
}

bool x87_control_is_init(const uint8_t *regs)
{
	uint8_t init[X87_CONTROL_SIZE];

	x87_control_init(init);
	return !memcmp(regs, init, sizeof(init));
}

void x87_raw_init(uint8_t *raw)
{
	uint8_t init[X87_CONTROL_SIZE];

	memset(raw, 0, X86_MXCSR_AT);
	memset(raw + X86_ST_AT, 0, X86_XMM_AT - X86_ST_AT);
	x87_control_init(init);
	x87_control_pack(init, raw);
}
