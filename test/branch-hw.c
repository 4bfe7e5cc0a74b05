/*
 * Near branches against the processor: where they go and what they do to the
 * stack, as the decoder says of their prefixes on a processor like this one
 * (enum x86_vendor). Built with -m32 it tests 32-bit mode.
 */
#include <stdio.h>
#include <string.h>

#include "arch/x86_64/decode.h"
#include "base/hex.h"
#include "base/mem.h"
#include "test/x86-rig.h"

#define RUNS 32 /* of each, from other flags and counts */

/* What all registers and all words of the stack are: a place in the code. */
#define VALUE ((uintptr_t)rig.arena + CODE_AT + 256)

static struct {
	struct state from, to;
	uint8_t code[X86_INSN_MAX];
	struct x86_instr in;
} test;

static uintptr_t pc_before(void)
{
	return (uintptr_t)rig.arena + CODE_AT + PAGE / 2;
}

/* With breakpoints wherever there is code. */
static uintptr_t pc_after(void)
{
	return (uintptr_t)test.to.regs[REG_PC] - (test.to.signo == SIGTRAP);
}

static size_t word(void)
{
	return test.in.near16 ? 2 : sizeof(uintptr_t);
}

static uintptr_t cut(uintptr_t pc)
{
	return test.in.near16 ? (uint16_t)pc : pc;
}

static bool goes(void)
{
	uintptr_t next = pc_before() + test.in.length;

	if (!x86_is_direct(&test.in))
		return pc_after() == cut(VALUE);
	if (pc_after() == x86_target(&test.in, pc_before()))
		return true;
	return (test.in.kind == X86_JCC || test.in.kind == X86_LOOP) &&
	       pc_after() == next;
}

static bool stacks(void)
{
	uintptr_t sp = test.from.regs[REG_STACK], next, pushed = 0;
	intptr_t by = test.to.regs[REG_STACK] - sp;

	switch (test.in.kind) {
	case X86_CALL:
	case X86_CALL_IND:
		next = pc_before() + test.in.length;
		memcpy(&pushed, test.to.mem.stack + PAGE / 2 - word(), word());
		return by == -(intptr_t)word() && pushed == cut(next);
	case X86_RET:
		return by ==
		       (intptr_t)word() + (test.in.imm_size
						   ? test.code[test.in.imm_at]
						   : 0);
	default:
		return by == 0;
	}
}

static void make_state(void)
{
	uintptr_t value = VALUE;

	for (int i = REG_FIRST; i <= REG_LAST; i++)
		test.from.regs[i] = value;
	for (size_t i = 0; i < PAGE; i += sizeof(value))
		memcpy(test.from.mem.stack + i, &value, sizeof(value));
	test.from.regs[REG_STACK] = (uintptr_t)rig.arena + STACK_AT + PAGE / 2;
	test.from.regs[REG_EFL] = rnd() & 0x8d5;
	if (test.in.kind == X86_LOOP)
		test.from.regs[REG_COUNT] = rnd() % 3;
}

static bool holds(const char *hex)
{
	size_t n = strlen(hex) / 2;

	hex_decode(test.code, hex, n);
	if (x86_decode(test.code, n, MODE, &test.in) != (int)n) {
		printf("%s: not decoded\n", hex);
		return false;
	}
	memset(rig.code_page, 0xcc, PAGE);
	memcpy(rig.code_page + PAGE / 2, test.code, n);
	for (int i = 0; i < RUNS; i++) {
		make_state();
		run(&test.from, &test.to, (void *)pc_before(), false);
		if (goes() && stacks())
			continue;
		printf("%s: from %#zx to %#zx, stack %#zx to %#zx\n", hex,
		       pc_before(), pc_after(),
		       (size_t)test.from.regs[REG_STACK],
		       (size_t)test.to.regs[REG_STACK]);
		return false;
	}
	return true;
}

/* clang-format off */
static const char *const rows[] = {
	"eb10", "66eb10", "66eb80", "66e2c0", "66e310", "67e310", "6667e210",
	"7510", "667510", "66e080", "e810000000", "ffd0", "66ffd0", "ffe0",
	"66ffe0", "ff1424", "66ff1424", "ff2424", "66ff2424", "c3", "66c3",
	"c20400", "66c20400", "f366c3", "f266ffd0",
};

/* With operands of 16 bits, and of 32 where they are not taken for that. */
static const char *const rows16[] = {
	"66e91001", "66e9f0fe", "66e81001", "66e8f0fe", "660f851001",
	"660f84f0fe", "66f20f8c1001", "2e660f8f1001", "f266e81001",
};
static const char *const rows32[] = {
	"66e910010000", "66e9f0feffff", "66e810010000", "66e8f0feffff",
	"660f8510010000", "660f84f0feffff", "66f20f8c10010000",
	"2e660f8f10010000", "f266e810010000",
};

/* REX.W goes before 66; a REX with another prefix behind it is none. */
static const char *const rows64[] = {
	"6648eb10", "66487510", "6648e810010000", "666648e810010000",
	"6648e910010000", "66480f8510010000", "6648ffd0", "6648ffe0",
	"6648ff1424", "6648ff2424", "6648c3", "6648c20400", "6648e210",
	"66447510", "6640eb10", "486675f0", "4866c3", "4866ffd0",
};
/* clang-format on */

static unsigned try_rows(const char *const *rows_of, size_t n)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++)
		wrong += !holds(rows_of[i]);
	return wrong;
}

int main(void)
{
	unsigned wrong;
	bool short_operands;

	set_up();
	short_operands = MODE == X86_MODE_32 || x86_vendor == X86_AMD;
	wrong = try_rows(rows, ARRAY_SIZE(rows));
	wrong += short_operands ? try_rows(rows16, ARRAY_SIZE(rows16))
				: try_rows(rows32, ARRAY_SIZE(rows32));
	if (MODE == X86_MODE_64)
		wrong += try_rows(rows64, ARRAY_SIZE(rows64));
	printf("%u near branches do otherwise\n", wrong);
	return wrong != 0;
}
