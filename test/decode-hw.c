/*
 * The decoder against the processor. Random encodings are executed at the very
 * end of an executable page: while the instruction is not all there, fetching
 * the rest faults at the page's end, and so its length shows; one that does
 * not exist raises SIGILL. What this processor lacks cannot be told from what
 * does not exist, so that only its accepting more than we do is a failure.
 *
 *	decode-hw [COUNT [SEED]]
 *
 * Built with -m32 it tests 32-bit mode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/decode.h"
#include "base/mem.h"
#include "test/x86-rig.h"

enum { UNDEFINED = 0, TOO_LONG = -1 };

/* What the processor takes for the instruction's length. */
static int hardware_length(const uint8_t *code)
{
	static struct state from, to;
	uint8_t *end = rig.arena + CODE_AT + PAGE;

	from.regs[REG_STACK] = (uintptr_t)rig.arena + STACK_AT + PAGE / 2;
	for (int n = 1; n <= X86_INSN_MAX; n++) {
		uintptr_t start = (uintptr_t)end - n;

		memcpy(rig.code_page + PAGE - n, code, n);
		rig.slot = NULL;
		run(&from, &to, (uint8_t *)start, true);
		if (to.signo == SIGILL && (uintptr_t)to.regs[REG_PC] == start)
			return UNDEFINED;
		if (to.signo != SIGSEGV || to.addr != (uintptr_t)end ||
		    (uintptr_t)to.regs[REG_PC] != start)
			return n;
	}
	return TOO_LONG;
}

/* Puts a random number of prefixes, and the way into one of the maps. */
static void random_code(uint8_t *code)
{
	static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0x48, 0x40,
					    0x67, 0x2e, 0x64, 0xf0 };
	unsigned n = 0, pick = rnd() % 8;

	for (int i = 0; i < X86_INSN_MAX; i++)
		code[i] = rnd();
	for (unsigned k = rnd() % 3; pick < 5 && k; k--)
		code[n++] = prefixes[rnd() % sizeof(prefixes)];
	if (pick >= 1 && pick <= 4)
		code[n++] = 0x0f;
	if (pick == 3 || pick == 4)
		code[n++] = pick == 3 ? 0x38 : 0x3a;
	if (pick == 5) {
		code[0] = 0xc4;
		code[1] = (code[1] & 0xe0) | (1 + rnd() % 3);
		code[2] |= rnd() % 2 ? 0x78 : 0;
	}
	if (pick >= 6) {
		code[0] = 0x62;
		code[1] = (code[1] & 0xf0) | (1 + rnd() % 3);
		code[2] |= rnd() % 2 ? 0x7c : 4;
		code[3] |= 8;
	}
	if (MODE == X86_MODE_32) /* no address that anything lives at */
		memset(code + 5, 0, X86_INSN_MAX - 5);
}

static bool enters_kernel(const struct x86_instr *in)
{
	return in->kind == X86_SYSCALL || in->kind == X86_SYSENTER ||
	       in->kind == X86_INT80 || in->kind == X86_INT;
}

/* A jump to itself has no end. */
static bool loops(const struct x86_instr *in)
{
	return x86_is_direct(in) && in->rel < 0 && in->rel >= -in->length;
}

/*
 * What nobody says: 66 0F AE /6, clwb, also works behind VEX and EVEX, vpermq
 * and vpermpd without W on processors of AMD, and vmcall behind any prefix
 * where a hypervisor emulates it for these.
 */
static bool is_quirk(const struct x86_instr *in, const uint8_t *code)
{
	if (in->map == X86_MAP_0F)
		return in->opcode == 0x01 && code[in->opcode_at + 1] == 0xc1;
	if (in->map == X86_MAP_VEX && in->vex_map == 3)
		return in->vex_pp == 1 && in->opcode <= 1;
	return in->map >= X86_MAP_VEX && in->vex_map == 1 && in->opcode == 0xae;
}

static bool agrees(const uint8_t *code, unsigned long counts[2])
{
	struct x86_instr in;
	int ours = x86_decode(code, X86_INSN_MAX, MODE, &in), theirs;

	if (enters_kernel(&in) || (ours > 0 && loops(&in)))
		return true;
	theirs = hardware_length(code);
	if (ours > 0 && theirs > 0)
		counts[0]++;
	else
		counts[1]++;
	if (theirs == ours || theirs <= 0 || (ours < 0 && is_quirk(&in, code)))
		return true;
	printf("ours %d, the processor's %d:", ours, theirs);
	for (int i = 0; i < X86_INSN_MAX; i++)
		printf(" %02x", code[i]);
	printf("\n");
	return false;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
	unsigned long counts[2] = { 0 }, wrong = 0;

	if (argc > 2)
		seed = strtoul(argv[2], NULL, 0) * 2 + 1;
	set_up();
	for (unsigned long i = 0; i < count; i++) {
		uint8_t code[X86_INSN_MAX];

		random_code(code);
		wrong += !agrees(code, counts);
	}
	printf("%lu lengths compared, %lu encodings that do not exist, "
	       "%lu differences\n",
	       counts[0], counts[1], wrong);
	return wrong || !counts[0];
}
