/*
 * The decoder on any bytes, both modes, both vendors: the answer depends on no
 * byte behind the instruction, fewer bytes ask for more, the parts lie within,
 * and where capstone has an answer too the lengths are the same, except for
 * what the list below says of capstone 4 or of the processor. What it reads and
 * writes can be told.
 */
#include <assert.h>
#include <capstone/capstone.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/decode.h"
#include "arch/x86_64/effects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static csh open_capstone(enum x86_mode mode)
{
	static csh handles[2];
	cs_mode m = mode == X86_MODE_64 ? CS_MODE_64 : CS_MODE_32;

	if (!handles[mode] && cs_open(CS_ARCH_X86, m, &handles[mode]))
		abort();
	return handles[mode];
}

static int capstone_length(enum x86_mode mode, const uint8_t *data, size_t size)
{
	static cs_insn *insn;
	csh h = open_capstone(mode);
	uint64_t addr = 0;

	if (!insn)
		insn = cs_malloc(h);
	return cs_disasm_iter(h, &data, &size, &addr, insn) ? insn->size : -1;
}

static bool ends_in_66(const struct x86_instr *in, const uint8_t *code)
{
	unsigned opcode = in->opcode_at - (in->map == X86_MAP_0F);

	return opcode && code[opcode - 1] == 0x66;
}

/*
 * Encodings in which capstone's length is known to be another; the processor
 * was asked.
 */
static bool excused(const struct x86_instr *in, const uint8_t *code)
{
	bool near = x86_is_direct(in) || in->kind == X86_RET;
	bool rep = in->prefixes & (X86_PFX_F2 | X86_PFX_F3);

	/* as AMD has it, if 66 is the last prefix; it also loses its way with
	 * 67 or REX there */
	if (near && in->mode == X86_MODE_64 &&
	    ((in->prefixes & X86_PFX_67) ||
	     ((in->prefixes & X86_PFX_66) &&
	      !(in->near16 && ends_in_66(in, code)))))
		return true;
	/* 66 has no say beside F2 or F3 */
	if ((in->prefixes & X86_PFX_66) && rep && in->imm_size)
		return true;
	/* insertq's F2 is not seen through another prefix */
	if (in->map == X86_MAP_0F && in->opcode == 0x78)
		return true;
	/* ud0 and ud1 have no ModRM byte (SDM vol. 2, UD: they have) */
	if (in->map == X86_MAP_0F && in->kind == X86_UD)
		return true;
	/* EVEX: a SIB byte after 67 is lost, b of a register form gives an
	 * immediate */
	return in->map == X86_MAP_EVEX &&
	       ((in->prefixes & X86_PFX_67) ||
		(in->modrm >= 0xc0 && (code[in->opcode_at - 1] & 0x10)));
}

static void check_parts(const struct x86_instr *in)
{
	assert(in->length >= 1 && in->length <= X86_INSN_MAX);
	assert(in->opcode_at < in->length);
	assert(in->modrm_at < in->length);
	assert(!in->modrm_at || in->modrm_at != in->opcode_at);
	assert(in->disp_at + in->disp_size <= in->length);
	assert(in->imm_at + in->imm_size <= in->length);
	assert(in->kind < N_X86_KINDS);
	assert(!in->rip_relative ||
	       (in->mode == X86_MODE_64 && in->disp_size == 4));
}

static void check_bytes(const uint8_t *data, size_t size, enum x86_mode mode,
			int got)
{
	uint8_t other[X86_INSN_MAX];
	struct x86_instr in;

	if (got > 0) {
		for (int k = 0; k < got; k++)
			assert(x86_decode(data, k, mode, &in) == -ENODATA);
		memset(other, 0xff, sizeof(other));
		memcpy(other, data, got);
		assert(x86_decode(other, sizeof(other), mode, &in) == got);
	} else if (size < X86_INSN_MAX) {
		memset(other, 0, sizeof(other));
		memcpy(other, data, size);
		if (got == -EINVAL)
			assert(x86_decode(other, sizeof(other), mode, &in) ==
			       -EINVAL);
	} else {
		assert(got == -EINVAL);
	}
}

static void check_effects(const struct x86_instr *in, const uint8_t *code)
{
	struct x86_effects e;

	x86_effects(in, code, &e);
	assert((e.flags_read | e.flags_written) <= X86_F_ALL);
	if (in->mode == X86_MODE_32)
		assert(e.regs_read == 0xffff && !e.regs_written);
}

static void check_mode(const uint8_t *data, size_t size, enum x86_mode mode)
{
	struct x86_instr in;
	int got = x86_decode(data, size, mode, &in), theirs;

	check_bytes(data, size, mode, got);
	if (got < 0)
		return;
	check_parts(&in);
	check_effects(&in, data);
	theirs = capstone_length(mode, data, size);
	if (theirs > 0 && theirs != got && !excused(&in, data)) {
		fprintf(stderr, "mode %d: %d, capstone %d:", mode, got, theirs);
		for (int k = 0; k < got || k < theirs; k++)
			fprintf(stderr, " %02x", data[k]);
		fprintf(stderr, "\n");
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > X86_INSN_MAX)
		size = X86_INSN_MAX;
	for (int vendor = X86_INTEL; vendor <= X86_AMD; vendor++) {
		x86_vendor = vendor;
		check_mode(data, size, X86_MODE_64);
		check_mode(data, size, X86_MODE_32);
	}
	return 0;
}
