/* What instructions of the vector maps touch. */
#include "arch/x86_64/accesses.h"

/* Of the whole vector, 16 bytes to 64. */
static unsigned vector_size(const struct x86_instr *in, const uint8_t *code)
{
	if (in->map == X86_MAP_VEX)
		return code[in->opcode_at - 1] & 4 ? 32 : 16;
	if (in->map == X86_MAP_EVEX) {
		unsigned l = code[in->opcode_at - 1] >> 5 & 3;

		return l > 1 ? 64 : 16u << l;
	}
	return 16;
}

static bool is_masked(const struct x86_instr *in, const uint8_t *code)
{
	return in->map == X86_MAP_EVEX && code[in->opcode_at - 1] & 7;
}

/* Bytes that 0F xx (VEX and EVEX map 1) stores in memory; 0: it does not. */
static unsigned stored_0f(const struct x86_instr *in, unsigned vector)
{
	static const uint8_t by_prefix[4] = { 0, 0, 4, 8 };
	unsigned pfx = prefix(in);

	switch (in->opcode) {
	case 0x11:
		return pfx > 1 ? by_prefix[pfx] : vector;
	case 0x13:
	case 0x17:
	case 0xd6:
		return 8;
	case 0x29:
	case 0x2b:
		return pfx > 1 ? by_prefix[pfx] : vector;
	case 0x7e:
		return pfx == 2 ? 0 : in->rex & X86_REX_W ? 8 : 4;
	case 0x7f:
	case 0xe7:
		return pfx || is_wide(in) ? vector : 8;
	case 0x91:
		return is_wide(in) ? 8 : 1;
	default:
		return 0;
	}
}

static unsigned read_0f(const struct x86_instr *in, unsigned vector)
{
	unsigned pfx = prefix(in);

	switch (in->opcode) {
	case 0x2a:
		return pfx > 1 && !(in->rex & X86_REX_W) ? 4 : 8;
	case 0x5a:
		return pfx == 2 ? 4 : pfx == 3 ? 8 : pfx ? vector : vector / 2;
	case 0x5b:
		return vector;
	case 0xe6:
		return pfx == 2 ? vector / 2 : vector;
	case 0x10:
	case 0x2c:
	case 0x2d:
	case 0x51 ... 0x59:
	case 0x5c ... 0x5f:
	case 0xc2:
		return pfx == 2	  ? 4
		       : pfx == 3 ? 8
		       : pfx || in->opcode >= 0x51 || in->opcode == 0x10
			       ? vector
			       : 8;
	case 0x12:
	case 0x16:
		return pfx == 2 || (pfx == 3 && vector > 16) ? vector : 8;
	case 0x2e:
	case 0x2f:
		return pfx == 1 ? 8 : 4;
	case 0x6e:
		return in->rex & X86_REX_W ? 8 : 4;
	case 0x7e:
		return 8;
	case 0xc4:
		return 2;
	default:
		return pfx || is_wide(in) || in->opcode < 0x60 ? vector : 8;
	}
}

static unsigned stored_0f38(const struct x86_instr *in, unsigned vector)
{
	unsigned pfx = prefix(in);

	if (in->map == X86_MAP_EVEX && pfx == 2 &&
	    (in->opcode & 0xcf) < 6 + 0u && in->opcode >= 0x10 &&
	    in->opcode <= 0x35)
		return vector / 2;
	switch (in->opcode) {
	case 0x2e:
	case 0x2f:
	case 0x8e:
		return in->map == X86_MAP_VEX ? vector : 0;
	case 0x63:
	case 0x8a:
	case 0x8b:
		return in->map == X86_MAP_EVEX ? vector : 0;
	default:
		return 0;
	}
}

static unsigned stored_0f3a(const struct x86_instr *in, unsigned vector)
{
	switch (in->opcode) {
	case 0x14:
		return 1;
	case 0x15:
		return 2;
	case 0x16:
		return in->rex & X86_REX_W ? 8 : 4;
	case 0x17:
		return 4;
	case 0x1d:
		return is_wide(in) ? vector / 2 : 0;
	case 0x19:
	case 0x39:
		return is_wide(in) ? 16 : 0;
	case 0x1b:
	case 0x3b:
		return is_wide(in) ? 32 : 0;
	default:
		return 0;
	}
}

/* Does SIB say more than an address? */
static bool is_vsib(const struct x86_instr *in)
{
	return is_wide(in) && in->vex_map == 2 && (in->modrm & 7) == 4 &&
	       (in->opcode == 0x4b || (in->opcode & 0xfc) == 0x90 ||
		(in->opcode & 0xfc) == 0xa0 || (in->opcode & 0xfe) == 0xc6);
}

static bool is_tile(const struct x86_instr *in)
{
	return in->opcode == 0x4b;
}

static bool is_scatter(const struct x86_instr *in)
{
	return (in->opcode & 0xfc) == 0xa0;
}

static void by_sib(struct accesses *a)
{
	const struct x86_instr *in = a->in;

	if (is_tile(in))
		add(a, X86_AT_ROWS, prefix(in) == 2 ? W : R, 64);
	else if ((in->opcode & 0xfe) != 0xc6) /* those only prefetch */
		add(a, X86_AT_ELEMENTS, is_scatter(in) ? W : R,
		    in->rex & X86_REX_W ? 8 : 4);
}

void x86_elements(const struct x86_instr *in, const uint8_t *code,
		  struct x86_elements *out)
{
	uint8_t last = code[in->opcode_at - 1];
	unsigned element = in->rex & X86_REX_W ? 8 : 4;

	*out = (struct x86_elements){
		.index = (in->sib >> 3 & 7) | (in->rex & X86_REX_X ? 8 : 0),
		.index_size = in->opcode & 1 ? 8 : 4,
		.mask = in->vvvv,
		.scale = in->sib >> 6,
	};
	if (in->map == X86_MAP_EVEX) {
		out->index |= last & 8 ? 0 : 16;
		out->mask = last & 7;
		out->mask_is_opmask = true;
	}
	if (element < out->index_size)
		element = out->index_size;
	out->n = (uint8_t)(vector_size(in, code) / element);
}

void accesses_vector(struct accesses *a, const uint8_t *code, unsigned map)
{
	const struct x86_instr *in = a->in;
	unsigned all = vector_size(in, code);
	unsigned stored = map == 1   ? stored_0f(in, all)
			  : map == 2 ? stored_0f38(in, all)
				     : stored_0f3a(in, all);
	bool odd = is_masked(in, code) || map == 2;

	if (!has_memory(in))
		return;
	if (is_vsib(in))
		by_sib(a);
	else if (stored && odd)
		add_most(a, X86_AT_OPERAND, W, stored);
	else if (stored)
		add(a, X86_AT_OPERAND, W, stored);
	else if (map == 1)
		add(a, X86_AT_OPERAND, R, read_0f(in, all));
	else
		add_most(a, X86_AT_OPERAND, R, all);
}
