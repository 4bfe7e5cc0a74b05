/*
 * What x86_effects() says, with the processor as the oracle. Every opcode of
 * every map, with each ModRM.reg, with memory and with a register, is executed
 * in pairs: from a random state, and from one in which all registers and flags
 * that are said to be not read have other values. Both must do the same, but
 * for what was changed and is said to be not written; and what is said to be
 * written must end the same.
 *
 *	effects-hw [--verbose] [ROUNDS [SEED]]
 *
 * Each round takes other operands, prefixes and values. --verbose also names
 * the forms that never ran to their end. Exits 0 when nothing was refuted.
 */
#include <cpuid.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/effects.h"
#include "base/mem.h"
#include "test/x86-form.h"
#include "test/x86-rig.h"

#define PAIRS	 4	 /* runs of each encoding */
#define LOW_DATA 0x30000 /* what DATA_AT is to a 32-bit address */
#define MIDDLE	 1024	 /* of the data page; around it operands lie */

/* Where the processor's register n is in a gregset_t. */
static const int gregs[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* X86_F_* in eflags. */
static const uint16_t eflags[6] = { 0x1, 0x4, 0x10, 0x40, 0x80, 0x800 };

static const char *const reg_names[16] = {
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
};

static const char *const flag_names[6] = { "cf", "pf", "af", "zf", "sf", "of" };

static struct {
	struct state a, b, end_a, end_b;
	uint8_t code[X86_INSN_MAX];
	struct x86_instr in;
	struct x86_effects says;
	unsigned long forms, proved, faulted, absent, pairs, wrong;
	bool verbose;
} test;

static uint8_t *data_middle(void)
{
	return rig.arena + DATA_AT + MIDDLE;
}

/* ---- code ---- */

/* Into itself, or away without end. */
static bool loops(const struct x86_instr *in)
{
	return x86_is_direct(in) && in->rel < 0 && in->rel >= -in->length;
}

/* What it changes, the rig does not put back. */
static bool breaks_rig(const struct x86_instr *in)
{
	bool wrpkru = in->map == X86_MAP_0F && in->opcode == 0x01 &&
		      in->modrm == 0xef;

	return wrpkru || loops(in);
}

static bool all_unknown(const struct x86_effects *e)
{
	return e->flags_read == X86_F_ALL && e->regs_read == 0xffff;
}

/* Displacements lead to small distances, into the data page if alone. */
static void aim_code(uint8_t *code, const struct x86_instr *in)
{
	uint64_t data = (uintptr_t)data_middle();
	int32_t disp = rnd() % 256;

	if (in->rip_relative)
		disp = DATA_AT + MIDDLE + rnd() % 512 * 4 - CODE_AT - PAGE / 2 -
		       in->length;
	else if ((in->modrm & 0xc7) == 4 && (in->sib & 0x3f) == 0x25 &&
		 !(in->rex & X86_REX_X))
		disp = LOW_DATA + MIDDLE + rnd() % 64 * 16;
	if (in->disp_size == 4)
		memcpy(code + in->disp_at, &disp, 4);
	if (in->map == X86_MAP_EVEX && in->disp_size == 1)
		code[in->disp_at] = 0;
	if (x86_is_direct(in) && in->imm_size > 1)
		memset(code + in->imm_at + 1, 0, in->imm_size - 1);
	else if (in->map == X86_MAP_MAIN && in->opcode == 0xc8)
		code[in->imm_at + 1] = 0; /* enter: little of the stack */
	else if (in->map == X86_MAP_MAIN && (in->opcode & 0xfc) == 0xa0)
		memcpy(code + in->imm_at, &data, in->imm_size);
	else if (in->imm_size == 1)
		code[in->imm_at] &= rnd(); /* counts of 0 are of interest */
}

/* An encoding of the form of which anything is claimed. */
static bool make_code(const struct form *f)
{
	make_form(test.code, f);
	if (x86_decode(test.code, X86_INSN_MAX, X86_MODE_64, &test.in) < 0)
		return false;
	aim_code(test.code, &test.in);
	x86_decode(test.code, X86_INSN_MAX, X86_MODE_64, &test.in);
	x86_effects(&test.in, test.code, &test.says);
	return !breaks_rig(&test.in) && !all_unknown(&test.says);
}

/* ---- states ---- */

static uint64_t random_word(bool small)
{
	switch (rnd() % 8) {
	case 0: /* before the instruction, so that ret cannot run into it */
		return (uintptr_t)rig.arena + CODE_AT + rnd() % (PAGE / 2);
	case 1 ... 3:
		return small ? rnd() % 100
			     : (uintptr_t)data_middle() + rnd() % 2048;
	case 4:
		return rnd() % 16;
	case 5:
		return rnd() % 2 ? 0 : -1;
	default:
		return small ? rnd() % 3 : WILD(rnd());
	}
}

static void fill(void *to, size_t size, bool small)
{
	for (size_t i = 0; i < size; i += 8) {
		uint64_t v = random_word(small);

		memcpy((uint8_t *)to + i, &v, 8);
	}
}

/* So that the memory operand is in the data page, and often aligned. */
static void aim_memory(struct state *s)
{
	const struct x86_instr *in = &test.in;
	unsigned base = in->modrm & 7, scale = in->sib >> 6;
	unsigned index = (in->sib >> 3 & 7) | (in->rex & X86_REX_X) << 2;
	bool has_sib = base == 4, has_base;
	uint64_t to = (uintptr_t)data_middle();
	int32_t disp = 0;

	if (!in->modrm_at || in->modrm >= 0xc0 || in->rip_relative)
		return;
	base = has_sib ? in->sib & 7 : base;
	has_base = in->modrm >= 0x40 || base != 5;
	base |= (in->rex & X86_REX_B) << 3;
	to += rnd() % 2 ? rnd() % 8 * 64 : rnd() % 512;
	if (in->disp_size == 4)
		memcpy(&disp, test.code + in->disp_at, 4);
	if (in->disp_size == 1)
		disp = (int8_t)test.code[in->disp_at];
	to -= disp;
	if (has_sib && index != 4 && has_base) {
		s->regs[gregs[index]] = rnd() % 16;
		to -= (uint64_t)s->regs[gregs[index]] << scale;
	} else if (has_sib && index != 4) {
		s->regs[gregs[index]] = to >> scale;
	}
	if (has_base)
		s->regs[gregs[base]] = to;
}

/* Operands in memory that ModRM does not show. */
static void aim_implicit(struct state *s)
{
	const struct x86_instr *in = &test.in;
	uint64_t data = (uintptr_t)data_middle();

	if (in->map == X86_MAP_MAIN && in->opcode >= 0xa4 &&
	    in->opcode <= 0xaf) {
		s->regs[REG_RSI] = data + rnd() % 256;
		s->regs[REG_RDI] = data + rnd() % 256;
		s->regs[REG_RCX] = rnd() % 4;
	} else if (in->map == X86_MAP_MAIN && in->opcode == 0xd7) {
		s->regs[REG_RBX] = data;
	} else if (in->map == X86_MAP_MAIN && (in->opcode & 0xfe) == 0xc8) {
		s->regs[REG_RBP] = s->regs[REG_RSP] + rnd() % 64 * 8;
	} else if (in->opcode == 0xf7) {
		s->regs[REG_RDI] = data; /* maskmovq */
	}
}

/* popf must neither trap nor demand that the handler's operands be aligned. */
static void tame_popf(struct state *s)
{
	uint64_t *word = (void *)s->mem.stack;

	if (test.in.map == X86_MAP_MAIN && test.in.opcode == 0x9d)
		for (size_t i = 0; i < PAGE / 8; i++)
			word[i] &= ~0x40100ull;
}

static void random_state(struct state *s)
{
	bool small = rnd() % 2;

	for (int i = 0; i < 16; i++)
		s->regs[gregs[i]] = random_word(small);
	s->regs[REG_RSP] = (uintptr_t)rig.arena + STACK_AT + PAGE / 2;
	s->regs[REG_EFL] = rnd() & FLAGS;
	if (rnd() % 4) {
		fill(s->xmm, sizeof(s->xmm), small);
		fill(s->wide, rig.wide, small);
	} else {
		memset(s->xmm, 0, sizeof(s->xmm));
		memset(s->wide, 0, rig.wide);
	}
	fill(&s->mem, sizeof(s->mem), small);
	aim_memory(s);
	aim_implicit(s);
	tame_popf(s);
}

/* Bits 0-15 of a set of inputs are registers, the six above them flags. */
#define ALL_INPUTS 0x3fffff

static uint32_t unread(void)
{
	return ~(test.says.regs_read | test.says.flags_read << 16) & ALL_INPUTS;
}

/* The outputs to which an instruction gives other values each time. */
static uint32_t fickle(const struct x86_instr *in)
{
	bool rdtsc = in->map == X86_MAP_0F && in->opcode == 0x31;
	bool rdtscp = in->map == X86_MAP_0F && in->opcode == 0x01 &&
		      in->modrm == 0xf9;
	bool random = in->map == X86_MAP_0F && in->opcode == 0xc7 &&
		      in->modrm >= 0xf0 && !(in->prefixes & X86_PFX_F3);

	return random ? ALL_INPUTS : rdtsc || rdtscp ? 5 : 0;
}

/* b is a, with other values of these inputs. */
static void change_inputs(uint32_t set)
{
	memcpy(&test.b, &test.a, sizeof(test.b));
	for (int i = 0; i < 16; i++)
		if (set >> i & 1)
			test.b.regs[gregs[i]] ^=
				rnd() % 2 ? rnd() : random_word(true) | 1;
	for (int i = 0; i < 6; i++)
		if (set >> (16 + i) & 1)
			test.b.regs[REG_EFL] ^= eflags[i];
	if (!can_begin(&test.b))
		test.b.regs[REG_RSP] =
			(greg_t)canonical((uint64_t)test.b.regs[REG_RSP]);
}

/* ---- verdicts ---- */

static void run_pair(void)
{
	uint8_t *pc = rig.arena + CODE_AT + PAGE / 2;

	run(&test.a, &test.end_a, pc, false);
	run(&test.b, &test.end_b, pc, false);
	test.pairs++;
}

static greg_t flag_of(const struct state *s, int flag)
{
	return s->regs[REG_EFL] & eflags[flag];
}

/* Both runs ended with one value, or left alone what they began with. */
static bool value_holds(const greg_t begin[2], const greg_t end[2],
			bool written)
{
	if (end[0] == end[1])
		return true;
	return !written && end[0] == begin[0] && end[1] == begin[1];
}

static bool reg_holds(int i)
{
	greg_t begin[] = { test.a.regs[gregs[i]], test.b.regs[gregs[i]] };
	greg_t end[] = { test.end_a.regs[gregs[i]], test.end_b.regs[gregs[i]] };

	if (fickle(&test.in) >> i & 1)
		return true;
	return value_holds(begin, end, test.says.regs_written >> i & 1);
}

static bool flag_holds(int i)
{
	greg_t begin[] = { flag_of(&test.a, i), flag_of(&test.b, i) };
	greg_t end[] = { flag_of(&test.end_a, i), flag_of(&test.end_b, i) };

	if (fickle(&test.in) >> (16 + i) & 1)
		return true;
	return value_holds(begin, end, test.says.flags_written >> i & 1);
}

/* The two runs went the same way and left the same in memory. */
static bool same_way(void)
{
	const struct state *a = &test.end_a, *b = &test.end_b;

	return a->signo == b->signo && a->addr == b->addr &&
	       a->regs[REG_PC] == b->regs[REG_PC] &&
	       !memcmp(a->xmm, b->xmm, sizeof(a->xmm)) &&
	       !memcmp(a->wide, b->wide, rig.wide) &&
	       !memcmp(&a->mem, &b->mem, sizeof(a->mem));
}

/* A fault comes before anything is written. */
static const char *refutation(void)
{
	if (!same_way())
		return "the way it goes, vectors or memory";
	if (test.end_a.signo != SIGTRAP)
		return NULL;
	for (int i = 0; i < 16; i++)
		if (!reg_holds(i))
			return reg_names[i];
	for (int i = 0; i < 6; i++)
		if (!flag_holds(i))
			return flag_names[i];
	return NULL;
}

static void print_code(void)
{
	for (int i = 0; i < test.in.length; i++)
		printf("%02x", test.code[i]);
}

/* Which of the inputs it was, one by one. */
static void report(const char *what)
{
	print_code();
	printf(": %s:", what);
	for (int i = 0; ALL_INPUTS >> i; i++) {
		if (!(unread() >> i & 1))
			continue;
		change_inputs(1u << i);
		run_pair();
		what = refutation();
		if (what)
			printf(" by %s %s",
			       i < 16 ? reg_names[i] : flag_names[i - 16],
			       what);
	}
	printf("\n");
	test.wrong++;
}

enum ending { ENDS, FAULTS, ABSENT };

static enum ending try_code(void)
{
	bool ended = false;

	memset(rig.code_page, 0xcc, PAGE);
	memcpy(rig.code_page + PAGE / 2, test.code, test.in.length);
	for (int i = 0; i < PAIRS; i++) {
		const char *what;

		random_state(&test.a);
		change_inputs(unread());
		run_pair();
		what = refutation();
		if (what) {
			report(what);
			return ENDS;
		}
		if (test.end_a.signo == SIGILL)
			return ABSENT;
		ended |= test.end_a.signo == SIGTRAP;
	}
	return ended ? ENDS : FAULTS;
}

/* ---- the sweep ---- */

static void try_form(const struct form *f)
{
	enum ending ending = ABSENT;
	bool exists = false;

	for (int i = 0; i < 8 && ending != ENDS; i++) {
		if (!make_code(f))
			continue;
		exists = true;
		ending = try_code();
	}
	if (!exists)
		return;
	test.forms++;
	test.proved += ending == ENDS;
	test.faulted += ending == FAULTS;
	test.absent += ending == ABSENT;
	if (ending != ENDS && test.verbose)
		printf("%s: map %u %u, prefix %u, opcode %02x /%u %s\n",
		       ending == FAULTS ? "faults" : "absent", f->map,
		       f->vex_map, f->pp, f->opcode, f->reg,
		       f->direct ? "register" : "memory");
}

static void sweep_map(enum x86_map map, unsigned vex_map)
{
	struct form f = { .map = map, .vex_map = vex_map };

	for (unsigned i = 0; i < 256 * 4 * 8 * 2; i++) {
		f.opcode = i >> 6;
		f.pp = i >> 4 & 3;
		f.reg = i >> 1 & 7;
		f.direct = i & 1;
		try_form(&f);
	}
}

static void sweep(void)
{
	for (int map = X86_MAP_MAIN; map <= X86_MAP_0F3A; map++)
		sweep_map(map, 0);
	for (int map = 1; map <= 3; map++)
		sweep_map(X86_MAP_VEX, map);
	for (int map = 1; map <= 6; map++)
		sweep_map(X86_MAP_EVEX, map);
}

/* ---- setting up ---- */

/* AVX and AVX-512, as far as the system enables them. */
static void find_wide(void)
{
	static const int components[] = { 2, 5, 6, 7 };
	unsigned a, b, c, d, low, high;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		return;
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
		if (!(low >> components[i] & 1))
			continue;
		__cpuid_count(13, components[i], a, b, c, d);
		if (b + a > WIDE_AT + WIDE_SIZE)
			continue;
		if (b + a > WIDE_AT + rig.wide)
			rig.wide = b + a - WIDE_AT;
		rig.wide_features |= 1u << components[i];
	}
}

/* The data page again where a 32-bit address leads. */
static void share_data(void)
{
	int fd = memfd_create("data", 0);
	void *p;

	require(!ftruncate(fd, PAGE));
	p = mmap(rig.arena + DATA_AT, PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0);
	require(p == rig.arena + DATA_AT);
	mmap((void *)LOW_DATA, PAGE, PROT_READ | PROT_WRITE,
	     MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	close(fd);
}

/* cpuid and rdpid tell on which processor they run. */
static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	unsigned long rounds;

	if (argc > 1 && !strcmp(argv[1], "--verbose")) {
		test.verbose = true;
		argc--;
		argv++;
	}
	rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	if (argc > 2)
		seed = strtoul(argv[2], NULL, 0) * 2 + 1;
	set_up();
	share_data();
	stay_here();
	find_wide();
	for (unsigned long i = 0; i < rounds; i++)
		sweep();
	printf("%lu forms: %lu ran, %lu fault, %lu this processor lacks; "
	       "%lu pairs of runs, %lu claims refuted\n",
	       test.forms, test.proved, test.faulted, test.absent, test.pairs,
	       test.wrong);
	return test.wrong || !test.proved;
}
