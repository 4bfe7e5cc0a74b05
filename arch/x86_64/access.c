#include "arch/x86_64/accesses.h"

#include "base/mem.h"

static unsigned group(const struct x86_instr *in)
{
	return in->modrm >> 3 & 7;
}

static unsigned operand_size(const struct x86_instr *in)
{
	return in->rex & X86_REX_W ? 8 : in->prefixes & X86_PFX_66 ? 2 : 4;
}

static unsigned by_opcode(const struct x86_instr *in)
{
	return in->opcode & 1 ? operand_size(in) : 1;
}

static unsigned stack_size(const struct x86_instr *in)
{
	return in->prefixes & X86_PFX_66 && !(in->rex & X86_REX_W) ? 2 : 8;
}

/* Of near branches. */
static unsigned pc_size(const struct x86_instr *in)
{
	return in->near16 ? 2 : 8;
}

static void operand(struct accesses *a, int how, unsigned size)
{
	if (has_memory(a->in))
		add(a, X86_AT_OPERAND, how, size);
}

/* --- instructions whose ModRM operand is all they access -------------------
 */

/* Sizes that are not the same for all forms of an opcode. */
enum { BY_PREFIX = 0x40, BY_OPCODE };

struct operand_row {
	uint8_t first, last; /* opcodes */
	uint8_t how, size;
};

static bool operand_by(struct accesses *a, const struct operand_row *rows,
		       size_t n)
{
	const struct x86_instr *in = a->in;

	for (size_t i = 0; i < n; i++) {
		if (in->opcode < rows[i].first || in->opcode > rows[i].last)
			continue;
		operand(a, rows[i].how,
			rows[i].size == BY_PREFIX   ? operand_size(in)
			: rows[i].size == BY_OPCODE ? by_opcode(in)
						    : rows[i].size);
		return true;
	}
	return false;
}

static const struct operand_row main_rows[] = {
	{ 0x69, 0x69, R, BY_PREFIX },  { 0x6b, 0x6b, R, BY_PREFIX },
	{ 0x84, 0x85, R, BY_OPCODE },  { 0x86, 0x87, RW, BY_OPCODE },
	{ 0x88, 0x89, W, BY_OPCODE },  { 0x8a, 0x8b, R, BY_OPCODE },
	{ 0x8c, 0x8c, W, 2 },	       { 0x8e, 0x8e, R, 2 },
	{ 0xc0, 0xc1, RW, BY_OPCODE }, { 0xc6, 0xc7, W, BY_OPCODE },
	{ 0xd0, 0xd3, RW, BY_OPCODE },
};

static const struct operand_row rows_0f[] = {
	{ 0x0d, 0x0d, NONE, 0 },       { 0x18, 0x1f, NONE, 0 },
	{ 0x40, 0x4f, R, BY_PREFIX },  { 0x90, 0x9f, W, 1 },
	{ 0xa4, 0xa5, RW, BY_PREFIX }, { 0xac, 0xad, RW, BY_PREFIX },
	{ 0xaf, 0xaf, R, BY_PREFIX },  { 0xb0, 0xb1, RW, BY_OPCODE },
	{ 0xb2, 0xb2, R, 10 },	       { 0xb4, 0xb5, R, 10 },
	{ 0xb6, 0xb6, R, 1 },	       { 0xb7, 0xb7, R, 2 },
	{ 0xb8, 0xb8, R, BY_PREFIX },  { 0xbc, 0xbd, R, BY_PREFIX },
	{ 0xbe, 0xbe, R, 1 },	       { 0xbf, 0xbf, R, 2 },
	{ 0xc0, 0xc1, RW, BY_OPCODE }, { 0xc3, 0xc3, W, BY_PREFIX },
};

/* --- the main map --------------------------------------------------------- */

static void x87(struct accesses *a)
{
	/* By opcode and group: bytes, above 128 when they are written. */
	enum { O = 128 };
	static const uint8_t sizes[8][8] = {
		{ 4, 4, 4, 4, 4, 4, 4, 4 },
		{ 4, 0, O | 4, O | 4, 28, 2, O | 28, O | 2 },
		{ 4, 4, 4, 4, 4, 4, 4, 4 },
		{ 4, O | 4, O | 4, O | 4, 0, 10, 0, O | 10 },
		{ 8, 8, 8, 8, 8, 8, 8, 8 },
		{ 8, O | 8, O | 8, O | 8, 108, 0, O | 108, O | 2 },
		{ 2, 2, 2, 2, 2, 2, 2, 2 },
		{ 2, O | 2, O | 2, O | 2, 10, 8, O | 10, O | 8 },
	};
	uint8_t s = sizes[a->in->opcode & 7][group(a->in)];

	operand(a, s & O ? W : R, s & (O - 1));
}

static void string(struct accesses *a)
{
	const struct x86_instr *in = a->in;
	unsigned size = by_opcode(in);

	switch (in->opcode & ~1) {
	case 0xa4:
		add(a, X86_AT_RSI, R, size);
		add(a, X86_AT_RDI, W, size);
		break;
	case 0xa6:
		add(a, X86_AT_RSI, R, size);
		add(a, X86_AT_RDI, R, size);
		break;
	case 0xaa:
		add(a, X86_AT_RDI, W, size);
		break;
	case 0xac:
		add(a, X86_AT_RSI, R, size);
		break;
	default:
		add(a, X86_AT_RDI, R, size);
	}
}

static void group_5(struct accesses *a)
{
	switch (group(a->in)) {
	case 0:
	case 1:
		operand(a, RW, by_opcode(a->in));
		break;
	case 2:
		operand(a, R, pc_size(a->in));
		add(a, X86_AT_PUSH, W, pc_size(a->in));
		break;
	case 4:
		operand(a, R, pc_size(a->in));
		break;
	case 6:
		operand(a, R, stack_size(a->in));
		add(a, X86_AT_PUSH, W, stack_size(a->in));
		break;
	default:
		operand(a, R, 10);
		if (group(a->in) == 3)
			add_most(a, X86_AT_PUSH, W, 16);
	}
}

/* Frames of enclosing procedures are copied to its own: SDM, vol. 1, 6.6. */
static void enter(struct accesses *a, unsigned level)
{
	unsigned size = stack_size(a->in);

	add(a, X86_AT_PUSH, W, (1 + level) * size);
	add(a, X86_AT_BELOW_FRAME, level > 1 ? R : NONE, (level - 1) * size);
}

static bool stack(struct accesses *a, const uint8_t *code)
{
	const struct x86_instr *in = a->in;

	switch (in->opcode) {
	case 0x50 ... 0x57:
	case 0x68:
	case 0x6a:
	case 0x9c:
		add(a, X86_AT_PUSH, W, stack_size(in));
		return true;
	case 0x58 ... 0x5f:
	case 0x9d:
		add(a, X86_AT_POP, R, stack_size(in));
		return true;
	case 0xc2:
	case 0xc3:
		add(a, X86_AT_POP, R, pc_size(in));
		return true;
	case 0xc9:
		add(a, X86_AT_FRAME, R, stack_size(in));
		return true;
	case 0xe8:
		add(a, X86_AT_PUSH, W, pc_size(in));
		return true;
	case 0xc8:
		enter(a, code[in->imm_at + 2] & 31);
		return true;
	case 0xd7:
		add(a, X86_AT_TABLE, R, 1);
		return true;
	default:
		return false;
	}
}

/* By movsxd: what a result of 16 bits is made of (APM vol. 3: reg/mem32; SDM
 * vol. 2: r/m16). */
static unsigned sign_extended(const struct x86_instr *in)
{
	return operand_size(in) == 2 && x86_vendor == X86_INTEL ? 2 : 4;
}

static void arithmetic(struct accesses *a)
{
	bool compares = (a->in->opcode & 0x38) == 0x38;

	operand(a, a->in->opcode & 2 || compares ? R : RW, by_opcode(a->in));
}

static void main_map(struct accesses *a, const uint8_t *code)
{
	const struct x86_instr *in = a->in;

	if (stack(a, code) || operand_by(a, main_rows, ARRAY_SIZE(main_rows)))
		return;
	switch (in->opcode) {
	case 0x00 ... 0x3f:
		arithmetic(a);
		break;
	case 0x63:
		operand(a, R, sign_extended(in));
		break;
	case 0x80 ... 0x83:
		operand(a, group(in) == 7 ? R : RW, by_opcode(in));
		break;
	case 0x8f:
		operand(a, W, stack_size(in));
		add(a, X86_AT_POP, R, stack_size(in));
		break;
	case 0xa0 ... 0xa3:
		add(a, X86_AT_MOFFS, in->opcode & 2 ? W : R, by_opcode(in));
		break;
	case 0xa4 ... 0xa7:
	case 0xaa ... 0xaf:
		string(a);
		break;
	case 0xd8 ... 0xdf:
		x87(a);
		break;
	case 0xf6:
	case 0xf7:
		operand(a, group(in) == 2 || group(in) == 3 ? RW : R,
			by_opcode(in));
		break;
	case 0xfe:
	case 0xff:
		group_5(a);
		break;
	}
}

/* --- 0F ------------------------------------------------------------------- */

static void group_15(struct accesses *a)
{
	static const uint16_t sizes[8] = { 512, 512, 4, 4, 4096, 4096, 4096 };
	unsigned g = group(a->in);

	if (g == 7 || prefix(a->in))
		return;
	if (has_memory(a->in) && (g == 0 || g >= 4))
		add_most(a, X86_AT_OPERAND, g == 5 ? R : W, sizes[g]);
	else
		operand(a, g == 1 || g == 2 ? R : W, sizes[g]);
}

static void group_9(struct accesses *a)
{
	unsigned g = group(a->in);

	if (g == 1)
		operand(a, RW, a->in->rex & X86_REX_W ? 16 : 8);
	else if (has_memory(a->in) && g < 6)
		add_most(a, X86_AT_OPERAND, g == 3 ? R : W, 4096);
}

/* Of general registers. False: it is none of those. */
static bool general_0f(struct accesses *a)
{
	const struct x86_instr *in = a->in;

	if (operand_by(a, rows_0f, ARRAY_SIZE(rows_0f)))
		return true;
	switch (in->opcode) {
	case 0x01:
		if (in->modrm == 0xfc)
			add(a, X86_AT_LINE, W, 64);
		/* fall through */
	case 0x00:
		operand(a, group(in) < 2 || group(in) == 4 ? W : R, 10);
		return true;
	case 0xa0:
	case 0xa8:
		add(a, X86_AT_PUSH, W, stack_size(in));
		return true;
	case 0xa1:
	case 0xa9:
		add(a, X86_AT_POP, R, stack_size(in));
		return true;
	case 0xa3:
	case 0xab:
	case 0xb3:
	case 0xbb:
		if (has_memory(in))
			add(a, X86_AT_BITS, in->opcode == 0xa3 ? R : RW,
			    operand_size(in));
		return true;
	case 0xba:
		operand(a, group(in) == 4 ? R : RW, operand_size(in));
		return true;
	case 0xae:
		group_15(a);
		return true;
	case 0xc7:
		group_9(a);
		return true;
	case 0xf7: /* maskmovdqu, whose ModRM is of registers */
		add_most(a, X86_AT_RDI, W, 16);
		return true;
	default:
		return false;
	}
}

/* movdir64b, and enqcmd, which writes to no memory that could be watched. */
static void move_64(struct accesses *a)
{
	operand(a, R, 64);
	add(a, X86_AT_REGISTER, prefix(a->in) == 1 ? W : NONE, 64);
}

static void map_0f38(struct accesses *a, const uint8_t *code)
{
	const struct x86_instr *in = a->in;

	if (in->opcode == 0xf0 || in->opcode == 0xf1)
		operand(a,
			in->opcode == 0xf1 && !(in->prefixes & X86_PFX_F2) ? W
									   : R,
			in->opcode == 0xf0 && in->prefixes & X86_PFX_F2
				? 1
				: operand_size(in));
	else if (in->opcode == 0xf8)
		move_64(a);
	else if (in->opcode == 0xf9 || in->opcode == 0xf6)
		operand(a, prefix(in) == 2 || prefix(in) == 1 ? RW : W,
			in->rex & X86_REX_W ? 8 : 4);
	else
		accesses_vector(a, code, 2);
}

unsigned x86_accesses(const struct x86_instr *in, const uint8_t *code,
		      struct x86_access out[X86_ACCESS_MAX])
{
	struct accesses a = { .in = in, .out = out };

	switch (in->map) {
	case X86_MAP_MAIN:
		main_map(&a, code);
		break;
	case X86_MAP_0F:
		if (!general_0f(&a))
			accesses_vector(&a, code, 1);
		break;
	case X86_MAP_0F38:
		map_0f38(&a, code);
		break;
	case X86_MAP_0F3A:
		accesses_vector(&a, code, 3);
		break;
	case X86_MAP_3DNOW:
		operand(&a, R, 8);
		break;
	case X86_MAP_XOP:
		accesses_vector(&a, code, 2);
		break;
	default:
		if (in->vex_map == 1 && in->opcode == 0xae)
			operand(&a, group(in) == 3 ? W : R, 4);
		else if (in->vex_map == 1 && in->opcode == 0xf7)
			add_most(&a, X86_AT_RDI, W, 16);
		else
			accesses_vector(&a, code, in->vex_map);
	}
	return a.n;
}

unsigned x86_disp_scale(const struct x86_instr *in, const uint8_t *code)
{
	struct x86_access all[X86_ACCESS_MAX];
	unsigned n = x86_accesses(in, code, all);

	return in->map == X86_MAP_EVEX && n ? all[0].size : 1;
}
