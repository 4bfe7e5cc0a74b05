/*
 * The relocator, with the processor as the oracle: an instruction is executed
 * where it stands and then in its slot, from the same registers, flags and
 * memory, and must leave the same. The slot is also stepped through: every
 * stop must be a point, and what the point says must be true. So is the slot
 * that ends in breakpoints, where there is one (arch/x86_64/step.h).
 *
 * Built with -m32 the program tests 32-bit mode. Exits 0 when all is well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "arch/x86_64/step.h"
#include "base/hex.h"
#include "base/mem.h"
#include "test/x86-rig.h"

static unsigned n_stepped;

/* Words that look like pointers to code or data, small and wild numbers. */
static uint64_t random_word(void)
{
	switch (rnd() % 8) {
	case 0:
		return (uintptr_t)rig.arena + CODE_AT + rnd() % PAGE;
	case 1:
	case 2:
	case 3:
		return (uintptr_t)rig.arena + DATA_AT + 256 +
		       rnd() % (PAGE - 512);
	case 4:
		return rnd() % 16;
	case 5:
		return rnd() % 2 ? 0 : -1;
	default:
		return WILD(rnd());
	}
}

static void fill(uint8_t *page)
{
	for (size_t i = 0; i < PAGE; i += sizeof(uintptr_t)) {
		uintptr_t v = random_word();

		memcpy(page + i, &v, sizeof(v));
	}
}

static void random_state(struct state *s)
{
	memset(s, 0, sizeof(*s));
	for (int i = REG_FIRST; i <= REG_LAST; i++)
		s->regs[i] = random_word();
	if (rnd() % 2)
		s->regs[REG_COUNT] = rnd() % 3;
	s->regs[REG_STACK] = (uintptr_t)rig.arena + STACK_AT + PAGE / 2;
	s->regs[REG_EFL] = rnd() & FLAGS;
	for (size_t i = 0; i < sizeof(s->xmm); i++)
		s->xmm[i] = rnd();
	fill(s->mem.data);
	fill(s->mem.stack);
}

/* A stop inside the slot, shown as the point there says. */
static bool shown(const struct x86_slot *s, struct state *st)
{
	uintptr_t offset = st->regs[REG_PC] - (uintptr_t)rig.slot;
	const struct x86_point *p;

	if (offset >= X86_SLOT_MAX)
		return true;
	p = x86_slot_point(s, offset);
	if (!p)
		return false;
	if (p->state == X86_POINT_SYSCALLED)
		st->regs[REG_COUNT] = p->pc;
	st->regs[REG_STACK] += p->undo;
	st->regs[REG_PC] = p->pc;
	return true;
}

static bool same_general(const greg_t *a, const greg_t *b)
{
	for (int i = REG_FIRST; i <= REG_LAST; i++)
		if (a[i] != b[i])
			return false;
	return a[REG_STACK] == b[REG_STACK];
}

static bool same_regs(const greg_t *a, const greg_t *b)
{
	return same_general(a, b) && a[REG_PC] == b[REG_PC] &&
	       !((a[REG_EFL] ^ b[REG_EFL]) & FLAGS);
}

/* Below the stack pointer an indirect call leaves its target. */
static bool same(struct state *a, struct state *b, const struct x86_instr *in)
{
	if (in->kind == X86_CALL_IND) {
		size_t top =
			a->regs[REG_STACK] - (uintptr_t)rig.arena - STACK_AT;

		memset(a->mem.stack + top - 32, 0, 32);
		memset(b->mem.stack + top - 32, 0, 32);
	}
	return same_regs(a->regs, b->regs) && a->signo == b->signo &&
	       a->addr == b->addr && !memcmp(a->xmm, b->xmm, 256) &&
	       !memcmp(&a->mem, &b->mem, sizeof(a->mem));
}

static bool fails(const char *why, const uint8_t *code, unsigned len)
{
	char text[2 * X86_INSN_MAX + 1] = "";

	hex_encode(text, code, len);
	fprintf(stderr, "%.*s: %s\n", 2 * (int)len, text, why);
	return false;
}

/*
 * A stop inside the slot is at a point. A later clean point has the registers
 * that the original leaves; the others, when undone, the stack pointer that it
 * began with (not more: a rep instruction stops in the middle of its work).
 */
static bool step_holds(const struct x86_slot *s, const struct step *step,
		       const struct state *from, const struct state *after)
{
	uintptr_t offset = step->pc - (uintptr_t)rig.slot;
	const struct x86_point *p = x86_slot_point(s, offset);

	if (offset >= X86_SLOT_MAX)
		return true;
	if (!p)
		return false;
	if (p->state != X86_POINT_CLEAN || offset == 0)
		return step->regs[REG_STACK] + p->undo == from->regs[REG_STACK];
	return after->signo != SIGTRAP || same_general(step->regs, after->regs);
}

static bool steps_hold(const struct x86_slot *s, const struct state *from,
		       const struct state *after)
{
	for (unsigned i = 0; i < rig.n_steps; i++)
		if (!step_holds(s, &rig.steps[i], from, after))
			return false;
	return true;
}

/* The breakpoint that ends it stands for the one that the original meets, or
 * for the fault where a branch leads to nothing. */
static bool ends_as(struct state *native, struct state *end,
		    const struct x86_slot *s, const struct x86_instr *in)
{
	uintptr_t offset = end->regs[REG_PC] - (uintptr_t)rig.slot;
	const struct x86_point *p = x86_slot_point(s, offset);

	if (!p)
		return false;
	end->regs[REG_PC] = p->pc;
	if (p->state != X86_POINT_STEPPED)
		return same(native, end, in);
	if (native->signo == SIGTRAP) {
		end->regs[REG_PC]++;
	} else {
		end->signo = native->signo;
		end->addr = native->addr;
	}
	return same(native, end, in);
}

/* From the breakpoint on it gets where the original does. */
static bool goes_on(struct state *native, const struct state *end,
		    const struct x86_slot *s, const struct x86_instr *in)
{
	static struct state on;
	uintptr_t offset = end->regs[REG_PC] - (uintptr_t)rig.slot;
	const struct x86_point *p = x86_slot_point(s, offset);

	if (!p || p->state != X86_POINT_STEPPED || !can_begin(end))
		return true;
	run(end, &on, rig.slot + offset, false);
	return same(native, &on, in);
}

/* From the same state as native came from. */
static bool try_step(const uint8_t *code, unsigned len, const uint8_t *pc,
		     uint8_t *page, struct state *from, struct state *native)
{
	static struct state end;
	struct x86_instr in;
	struct x86_slot slot;
	int r;

	if (MODE != X86_MODE_64)
		return true;
	r = x86_step_slot(code, len, (uintptr_t)pc, (uintptr_t)rig.slot, &slot);
	if (r == -ERANGE || r == -ENOEXEC)
		return true;
	if (r != (int)len)
		return fails("no slot for a step", code, len);
	x86_decode(code, len, MODE, &in);
	memcpy(page, slot.code, slot.len);
	run(from, &end, rig.slot, false);
	if (!goes_on(native, &end, &slot, &in))
		return fails("goes on elsewhere from a step's slot", code, len);
	if (!ends_as(native, &end, &slot, &in))
		return fails("another effect in a step's slot", code, len);
	n_stepped++;
	return true;
}

/*
 * The instruction at code, executed in place (the byte behind it and all that
 * branches reach is int3), in its slot, and in its slot by steps.
 */
static bool try_one(const uint8_t *code, unsigned len, bool far)
{
	static struct state from, native, moved, stepped;
	uint8_t *pc = rig.arena + CODE_AT + PAGE / 2, *page;
	unsigned at = rnd() % (PAGE - X86_SLOT_MAX);
	struct x86_instr in;
	struct x86_slot slot;
	int r;

	memset(rig.code_page, 0xcc, PAGE);
	memcpy(rig.code_page + PAGE / 2, code, len);
	x86_decode(code, len, MODE, &in);
	rig.slot = rig.arena + (far ? FAR_AWAY : SLOT_AT) + at;
	r = x86_relocate(code, len, MODE, (uintptr_t)pc, (uintptr_t)rig.slot,
			 &slot);
	if (r == -ERANGE || r == -ENOEXEC)
		return true;
	if (r != (int)len)
		return fails("not relocated", code, len);
	random_state(&from);
	run(&from, &native, pc, false);
	page = (far ? rig.far_page : rig.near_page) + at;
	if (!try_step(code, len, pc, page, &from, &native))
		return false;
	memcpy(page, slot.code, slot.len);
	run(&from, &moved, rig.slot, false);
	if (!shown(&slot, &moved) || !same(&native, &moved, &in))
		return fails("another effect in its slot", code, len);
	if (in.map == X86_MAP_MAIN && in.opcode == 0x9c)
		return true; /* pushf would show the trap flag */
	run(&from, &stepped, rig.slot, true);
	if (!steps_hold(&slot, &from, &native))
		return fails("a step stopped at no true point", code, len);
	if (!can_begin(&native))
		return true; /* nor does it go on behind a step */
	if (!shown(&slot, &stepped) || !same(&native, &stepped, &in))
		return fails("another effect when stepped", code, len);
	return true;
}

/* rip-relative operands are led into the data page. */
static void aim(uint8_t *code, const struct x86_instr *in)
{
	uint32_t disp = DATA_AT - CODE_AT - PAGE / 2 + 256 +
			rnd() % (PAGE / 2) - in->length;

	if (in->rip_relative)
		memcpy(code + in->disp_at, &disp, 4);
}

/* clang-format off */
static const char *const rows[] = {
	"90", "01c8", "f7f1", "f3a4", "f3ab", "50", "58", "54", "5c", "9c",
	"c9", "c8100000", "cc", "cd03", "f1", "f4", "0f0b", "8b00", "d9e8",
	"eb10", "ebc0", "e910000000", "e9f0feffff", "e900000010", "e2f0",
	"e110", "e010", "e310", "67e310", "67e2f0", "e820000000", "e8f0feffff",
	"e800000000", "f2e820000000", "ffd0", "ffd4", "3effd0", "f2ff10",
	"ff10", "ff5308", "ff1424", "ff542408", "ff5424f8", "ff94cd00000000",
	"ffe0", "3effe0", "ff20", "ff642408", "c3", "f3c3", "c21000", "cb",
	"ff28", "660f1f440000", "f30f1efa",
};

static const char *const rows64[] = {
	"488d0500000000", "678d0500000000", "488b0500000000", "48890d00000000",
	"833d0000000005", "66c705000000001234", "f0480fb10d00000000",
	"0f100d00000000", "c5f8100d00000000", "c4e2f9f70d00000000",
	"ff3500000000", "8f0500000000", "660f3a22050000000001",
	"48a10000300000200000", "64488b0500000000", "666648e820000000",
	"41ffd3", "ff1500000000", "f2ff1500000000", "67ff1500000000",
	"48f2ff1500000000", "41f2ff10", "64ff142500000000", "66ff10",
	"ff2500000000",
};
/* clang-format on */

static unsigned row_bytes(const char *hex, uint8_t *code)
{
	size_t n = strlen(hex) / 2;

	require(n <= X86_INSN_MAX && hex_decode(code, hex, n));
	return n;
}

static bool try_row(const char *hex, bool far)
{
	uint8_t code[X86_INSN_MAX];
	unsigned len = row_bytes(hex, code);
	struct x86_instr in;
	bool good = true;

	if (x86_decode(code, len, MODE, &in) != (int)len)
		return fails("not decoded", code, len);
	for (int i = 0; good && i < 20; i++) {
		aim(code, &in);
		good = try_one(code, len, far);
	}
	return good;
}

/* Far: out of reach of a jump's 32 bits, where there is such a place. */
static bool try_rows(bool far)
{
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		good &= try_row(rows[i], far);
	for (size_t i = 0; MODE == X86_MODE_64 && i < ARRAY_SIZE(rows64); i++)
		good &= try_row(rows64[i], far);
	return good;
}

static bool try_conditions(void)
{
	bool good = true;

	for (unsigned cc = 0; cc < 16; cc++)
		for (int i = 0; i < 64; i++) {
			uint8_t near[] = {
				0x0f, 0x80 | cc, rnd() % 256, 0, 0, 0
			};
			uint8_t tiny[] = { 0x70 | cc, rnd() % 100 };

			good &= try_one(near, 6, i % 2);
			good &= try_one(tiny, 2, i % 2);
		}
	return good;
}

/* What has other results each time, enters the kernel, or ends the test. */
static bool is_wild(const struct x86_instr *in)
{
	static const uint8_t main_map[] = { 0x8e, 0x9d, 0xc4, 0xc5, 0x07, 0x17,
					    0x1f, 0xa0, 0xa1, 0xa2, 0xa3 };
	static const uint8_t map_0f[] = { 0x01, 0x31, 0x33, 0xa1, 0xa2, 0xa9,
					  0xae, 0xb2, 0xb4, 0xb5, 0xc7 };

	switch (in->kind) {
	case X86_SYSCALL:
	case X86_SYSENTER:
	case X86_INT80:
	case X86_IRET:
	case X86_RET_FAR:
	case X86_JMP_FAR:
		return true;
	}
	if (x86_is_direct(in) && in->rel < 0 && in->rel >= -in->length)
		return true; /* into itself */
	if (MODE == X86_MODE_32 && in->disp_size > 1)
		return true; /* might hit the test itself */
	if (in->map == X86_MAP_MAIN)
		return memchr(main_map, in->opcode, sizeof(main_map));
	if (in->map == X86_MAP_0F)
		return memchr(map_0f, in->opcode, sizeof(map_0f));
	return in->map == X86_MAP_0F38 && in->opcode >= 0xf5;
}

static void random_code(uint8_t *code)
{
	static const uint8_t lead[][2] = { { 0 },	   { 0x0f },
					   { 0x48 },	   { 0x66 },
					   { 0x66, 0x0f }, { 0xf3, 0x0f },
					   { 0xf2, 0x0f }, { 0x41 },
					   { 0xff },	   { 0xc5 } };
	unsigned pick = rnd() % ARRAY_SIZE(lead), n = 0;

	for (int i = 0; i < X86_INSN_MAX; i++)
		code[i] = rnd();
	for (; n < 2 && lead[pick][n]; n++)
		code[n] = lead[pick][n];
	if (MODE == X86_MODE_64 && rnd() % 3 == 0)
		code[n + 1] = (code[n + 1] & 0x38) | 5; /* rip-relative */
}

static bool try_random(void)
{
	unsigned tried = 0;
	bool good = true;

	while (tried < 10000) {
		uint8_t code[X86_INSN_MAX];
		struct x86_instr in;
		int len;

		random_code(code);
		len = x86_decode(code, X86_INSN_MAX, MODE, &in);
		if (len < 0 || is_wild(&in))
			continue;
		aim(code, &in);
		good &= try_one(code, len, tried % 4 == 0);
		tried++;
	}
	return good;
}

/* getpid: the number comes back, and rcx is that of the original's place. */
static bool try_syscall(void)
{
	static const uint8_t code[] = { 0x0f, 0x05 };
	static struct state from, native, moved;
	uint8_t *pc = rig.arena + CODE_AT + PAGE / 2;
	struct x86_slot slot;

	if (MODE != X86_MODE_64)
		return true;
	memset(rig.code_page, 0xcc, PAGE);
	memcpy(rig.code_page + PAGE / 2, code, 2);
	random_state(&from);
	from.regs[REG_LAST - 1] = SYS_getpid; /* rax, before rcx */
	run(&from, &native, pc, false);
	rig.slot = rig.arena + SLOT_AT;
	if (x86_relocate(code, 2, MODE, (uintptr_t)pc, (uintptr_t)rig.slot,
			 &slot) != 2)
		return fails("not relocated", code, 2);
	memcpy(rig.near_page, slot.code, slot.len);
	run(&from, &moved, rig.slot, false);
	return native.regs[REG_LAST - 1] == getpid() &&
	       same_regs(native.regs, moved.regs);
}

int main(void)
{
	bool good = true;

	set_up();
	good &= try_rows(false);
	good &= try_rows(true);
	good &= try_conditions();
	good &= try_syscall();
	good &= try_random();
	if (MODE == X86_MODE_64 && n_stepped < 5000)
		good = fails("too few were stepped", NULL, 0);
	return !good;
}
