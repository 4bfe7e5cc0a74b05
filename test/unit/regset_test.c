/*
 * The register tables against the processor: a child loads registers, stops,
 * and stores what it has when it goes on; what ptrace sees of it in between is
 * what the tables are about.
 */
#include <elf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "test/arch-find.h"

#define AREA_MAX    16384
#define REGS_MAX    4096

#define XSTATE_BV   512 /* where it lies in the area: its first byte */
#define XCR0_SSE    (1u << 1)
#define XCR0_AVX    (1u << 2)
#define XCR0_AVX512 (7u << 5)

/* What the child loads and stores, shared with it. */
struct state {
	uint8_t v[32][64]; /* zmm0-31; ymm, xmm: the first bytes of each */
	uint64_t k[8];
	uint32_t mxcsr, fctrl, fstat, ftag;
	uint8_t st[8][16]; /* as far as ftag says that they are there */
	uint8_t init[AREA_MAX] __attribute__((aligned(64)));
	uint8_t env[108]; /* FNSAVE's image */
};

static struct arch *arch;
static struct xsave_layout layout;
static struct state *in, *out;

/* --- in the child --- */

/* clang-format off */
#define EACH8(insn)                                              \
	".irp n,0,1,2,3,4,5,6,7\n" insn "\n.endr\n"
#define EACH16(insn)                                             \
	".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" insn "\n.endr\n"
#define EACH32(insn)                                             \
	".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,"     \
	"19,20,21,22,23,24,25,26,27,28,29,30,31\n" insn "\n.endr\n"

#define LOAD_SSE EACH16("movdqu \\n*64(%[from]), %%xmm\\n")
#define LOAD_AVX EACH16("vmovdqu \\n*64(%[from]), %%ymm\\n")
#define LOAD_AVX512                                              \
	EACH32("vmovdqu64 \\n*64(%[from]), %%zmm\\n")                \
	EACH8("kmovq 2048+\\n*8(%[from]), %%k\\n")
#define SAVE_SSE EACH16("movdqu %%xmm\\n, \\n*64(%[to])")
#define SAVE_AVX EACH16("vmovdqu %%ymm\\n, \\n*64(%[to])")
#define SAVE_AVX512                                              \
	EACH32("vmovdqu64 %%zmm\\n, \\n*64(%[to])")                  \
	EACH8("kmovq %%k\\n, 2048+\\n*8(%[to])")

/* Seven values, so that one register is empty. */
#define LOAD_X87                                                 \
	"fninit\n fldcw %[fctrl]\n ldmxcsr %[mxcsr]\n"               \
	".irp n,6,5,4,3,2,1,0\n fldt \\n*16(%[st])\n .endr\n"
#define SAVE_X87                                                 \
	"stmxcsr %[mxcsr_out]\n fnsave %[env]\n"                     \
	"ldmxcsr %[mxcsr_init]\n"

#define ALL_INIT                                                 \
	"mov $-1, %%eax\n mov $-1, %%edx\n and $~0x200, %%eax\n"     \
	"xrstor64 %[init]\n"

#define RUN(load, save)                                                  \
	__asm__ volatile(load "int3\n" save                              \
			 : [mxcsr_out] "=m"(out->mxcsr),                 \
			   [env] "=m"(out->env)                          \
			 : [from] "r"(in->v), [to] "r"(out->v),          \
			   [st] "r"(in->st), [fctrl] "m"(in->fctrl),     \
			   [mxcsr] "m"(in->mxcsr), [init] "m"(in->init), \
			   [mxcsr_init] "m"(mxcsr_init)                  \
			 : "eax", "edx", "memory", "xmm0", "xmm1",       \
			   "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",       \
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",     \
			   "xmm12", "xmm13", "xmm14", "xmm15")
/* clang-format on */

static const uint32_t mxcsr_init = 0x1f80;

_Static_assert(offsetof(struct state, k) == 2048, "LOAD_AVX512 knows it");

/* init: nothing is loaded, all components are in their initial state. */
static void child_run(bool init)
{
	if (layout.features & XCR0_AVX512 && init)
		RUN(ALL_INIT, SAVE_AVX512 SAVE_X87);
	else if (layout.features & XCR0_AVX512)
		RUN(LOAD_AVX512 LOAD_X87, SAVE_AVX512 SAVE_X87);
	else if (layout.features & XCR0_AVX && init)
		RUN(ALL_INIT, SAVE_AVX SAVE_X87);
	else if (layout.features & XCR0_AVX)
		RUN(LOAD_AVX LOAD_X87, SAVE_AVX SAVE_X87);
	else if (layout.features && init)
		RUN(ALL_INIT, SAVE_SSE SAVE_X87);
	else
		RUN(LOAD_SSE LOAD_X87, SAVE_SSE SAVE_X87);
}

/* --- in the tracer --- */

static pid_t child_start(bool init)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		child_run(init);
		_exit(7);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	return pid;
}

static void child_finish(pid_t pid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static size_t area_get(pid_t pid, uint8_t *raw)
{
	struct iovec iov = { raw, AREA_MAX };

	assert_int_equal(
		ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &iov), 0);
	return iov.iov_len;
}

static void area_set(pid_t pid, uint8_t *raw, size_t len)
{
	struct iovec iov = { raw, len };

	assert_int_equal(
		ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &iov), 0);
}

static void fetch(pid_t pid, uint8_t *regs)
{
	uint8_t raw[AREA_MAX];
	size_t len = area_get(pid, raw);

	memset(regs, 0, REGS_MAX);
	assert_int_equal(len, layout.size);
	arch->unpack(arch, REGSET_EXTENDED, raw, len, regs);
}

static void store(pid_t pid, const uint8_t *regs)
{
	uint8_t raw[AREA_MAX];
	size_t len = area_get(pid, raw);

	arch->pack(arch, REGSET_EXTENDED, regs, raw, len);
	area_set(pid, raw, len);
}

/* Where a register of this name lies in regs; NULL: the CPU has none. */
static uint8_t *reg_at(uint8_t *regs, const char *format, unsigned n)
{
	char name[16];
	int i;

	snprintf(name, sizeof(name), format, n);
	i = arch_reg_find(arch, name);
	return i < 0 ? NULL : regs + arch->regs[i].packed_at;
}

/* One of the two ways between a struct state and regs. */
typedef void move_fn(uint8_t *reg, uint8_t *value, size_t n, const char *name);

static void move_check(uint8_t *reg, uint8_t *value, size_t n, const char *name)
{
	if (reg && memcmp(reg, value, n) != 0)
		fail_msg("%s differs", name);
}

static void move_put(uint8_t *reg, uint8_t *value, size_t n, const char *name)
{
	(void)name;
	if (reg)
		memcpy(reg, value, n);
}

static void state_move(move_fn *move, uint8_t *regs, struct state *s)
{
	static const struct {
		const char *format;
		unsigned at, n;
	} parts[] = {
		{ "xmm%u", 0, 16 },
		{ "ymm%uh", 16, 16 },
		{ "zmm%uh", 32, 32 },
	};

	for (size_t p = 0; p < ARRAY_SIZE(parts); p++)
		for (unsigned i = 0; i < 32; i++)
			move(reg_at(regs, parts[p].format, i),
			     s->v[i] + parts[p].at, parts[p].n,
			     parts[p].format);
	for (unsigned i = 0; i < 8; i++)
		move(reg_at(regs, "k%u", i), (uint8_t *)&s->k[i], 8, "k");
	for (unsigned i = 0; i < 8; i++)
		move(reg_at(regs, "st%u", i), s->st[i], 10, "st");
	move(reg_at(regs, "mxcsr", 0), (uint8_t *)&s->mxcsr, 4, "mxcsr");
	move(reg_at(regs, "fctrl", 0), (uint8_t *)&s->fctrl, 4, "fctrl");
	move(reg_at(regs, "fstat", 0), (uint8_t *)&s->fstat, 4, "fstat");
	move(reg_at(regs, "ftag", 0), (uint8_t *)&s->ftag, 4, "ftag");
}

/* A value of each class, and one that is there no more. */
static void x87_fill(struct state *s)
{
	static const struct {
		uint64_t fraction;
		uint16_t exponent;
	} st[8] = {
		{ 0x8000000000000000, 0x3fff }, /* 1.0: valid */
		{ 0, 0 },			/* zero */
		{ 0, 0x8000 },			/* -0.0: zero */
		{ 0x8000000000000000, 0x7fff }, /* infinity: special */
		{ 0xc000000000000001, 0x7fff }, /* a NaN: special */
		{ 1, 0 },			/* denormal: special */
		{ 0xc90fdaa22168c235, 0xc000 }, /* -pi: valid */
		{ 0, 0 },
	};

	for (unsigned i = 0; i < 8; i++) {
		memcpy(s->st[i], &st[i].fraction, 8);
		memcpy(s->st[i] + 8, &st[i].exponent, 2);
	}
	s->fctrl = 0x27f;
	s->fstat = 1 << 11;
	/* two bits each: physical 0 is empty, 1-7 are st0-6 */
	s->ftag = 3 | 0 << 2 | 1 << 4 | 1 << 6 | 2 << 8 | 2 << 10 | 2 << 12 |
		  0 << 14;
}

static void state_fill(struct state *s, unsigned seed)
{
	memset(s, 0, sizeof(*s));
	srand(seed);
	for (unsigned i = 0; i < 32; i++)
		for (unsigned k = 0; k < 64; k++)
			s->v[i][k] = (uint8_t)(rand() >> 8);
	for (unsigned i = 0; i < 8; i++)
		s->k[i] = (uint64_t)rand() << 33 ^ (uint64_t)rand();
	s->mxcsr = 0x9fc0;
	/* XRSTOR takes this one from memory in any case. */
	memcpy(s->init + 24, &mxcsr_init, sizeof(mxcsr_init));
	x87_fill(s);
}

/* Aligned like the type. */
static struct state *state_new(void)
{
	struct state *s = aligned_alloc(64, sizeof(*s));

	assert_non_null(s);
	memset(s, 0, sizeof(*s));
	return s;
}

/* What the child stored in the end is what regs should have put there. */
static void check_stored(struct state *want)
{
	uint16_t word;
	unsigned n_vectors = layout.features & XCR0_AVX512 ? 32 : 16;
	size_t bytes = layout.features & XCR0_AVX512 ? 64
		       : layout.features & XCR0_AVX  ? 32
						     : 16;

	for (unsigned i = 0; i < n_vectors; i++)
		assert_memory_equal(out->v[i], want->v[i], bytes);
	if (layout.features & XCR0_AVX512)
		assert_memory_equal(out->k, want->k, sizeof(want->k));
	assert_int_equal(out->mxcsr, want->mxcsr);
	memcpy(&word, out->env, 2);
	assert_int_equal(word, want->fctrl);
	memcpy(&word, out->env + 4, 2);
	assert_int_equal(word, want->fstat);
	memcpy(&word, out->env + 8, 2);
	assert_int_equal(word, want->ftag);
	for (unsigned i = 0; i < 8; i++)
		assert_memory_equal(out->env + 28 + 10 * i, want->st[i], 10);
}

/* The processor's own FNSAVE agrees with what we made of the area. */
static void test_read(void **state)
{
	uint8_t regs[REGS_MAX];
	pid_t pid;

	(void)state;
	state_fill(in, 1);
	pid = child_start(false);
	fetch(pid, regs);
	state_move(move_check, regs, in);
	child_finish(pid);
	check_stored(in);
}

static void test_write(void **state)
{
	struct state *want = state_new();
	uint8_t regs[REGS_MAX], again[REGS_MAX];
	pid_t pid;

	(void)state;
	state_fill(in, 1);
	state_fill(want, 2);
	want->fctrl = 0x37e;
	want->mxcsr = 0x1f81;
	pid = child_start(false);
	fetch(pid, regs);
	state_move(move_put, regs, want);
	store(pid, regs);
	fetch(pid, again);
	assert_memory_equal(again, regs, arch->regs_size);
	child_finish(pid);
	check_stored(want);
	free(want);
}

/* Some processors keep SSE in use after an XRSTOR of its initial state (SDM
 * vol. 1, 13.6: XINUSE may say so); then it is the tracer that declares it. */
static void area_make_initial(pid_t pid)
{
	uint8_t raw[AREA_MAX];
	size_t len = area_get(pid, raw);

	assert_int_equal(raw[XSTATE_BV] & ~XCR0_SSE, 0);
	if (raw[XSTATE_BV]) {
		raw[XSTATE_BV] = 0;
		area_set(pid, raw, len);
	}
	area_get(pid, raw);
	assert_int_equal(raw[XSTATE_BV], 0);
}

/* From components that XSTATE_BV declares to be initial. */
static void test_initial(void **state)
{
	struct state *want;
	uint8_t regs[REGS_MAX];
	pid_t pid;

	(void)state;
	if (!layout.features)
		skip();
	want = state_new();
	state_fill(in, 1);
	pid = child_start(true);
	area_make_initial(pid);
	fetch(pid, regs);
	want->mxcsr = 0x1f80;
	want->fctrl = 0x37f;
	want->ftag = 0xffff;
	state_move(move_check, regs, want);
	state_fill(want, 3);
	state_move(move_put, regs, want);
	store(pid, regs);
	child_finish(pid);
	check_stored(want);
	free(want);
}

/* One register changed wakes its component, and none of the others. */
static void test_initial_one(void **state)
{
	static const char *const names[] = { "xmm7",   "ymm1h", "k3",	"zmm4h",
					     "ymm17h", "st0",	"mxcsr" };
	uint8_t regs[REGS_MAX], again[REGS_MAX];

	(void)state;
	if (!layout.features)
		skip();
	state_fill(in, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		pid_t pid = child_start(true);
		uint8_t *reg;

		fetch(pid, regs);
		reg = reg_at(regs, names[i], 0);
		if (reg)
			*reg ^= 1;
		store(pid, regs);
		fetch(pid, again);
		assert_memory_equal(again, regs, arch->regs_size);
		child_finish(pid);
	}
}

static void test_pkru(void **state)
{
	uint8_t regs[REGS_MAX], again[REGS_MAX], *pkru;
	pid_t pid;

	(void)state;
	pkru = reg_at(regs, "pkru", 0);
	if (!pkru)
		skip();
	state_fill(in, 1);
	pid = child_start(false);
	fetch(pid, regs);
	pkru[3] ^= 0x80; /* key 15 */
	store(pid, regs);
	fetch(pid, again);
	assert_memory_equal(again, regs, arch->regs_size);
	child_finish(pid);
}

static void test_general(void **state)
{
	struct user_regs_struct u, back;
	uint8_t regs[REGS_MAX];
	uint64_t pc;
	pid_t pid;

	(void)state;
	state_fill(in, 1);
	pid = child_start(false);
	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &u), 0);
	arch->unpack(arch, REGSET_GENERAL, &u, sizeof(u), regs);
	memcpy(&pc, regs + arch->regs[arch->pc].packed_at, 8);
	assert_int_equal(ptrace(PTRACE_PEEKUSER, pid,
				offsetof(struct user, regs.rip), NULL),
			 pc);
	pc += (uint64_t)arch->trap_pc_adjust;
	assert_int_equal(ptrace(PTRACE_PEEKTEXT, pid, pc, NULL) & 0xff,
			 arch->trap[0]);
	back = u;
	arch->pack(arch, REGSET_GENERAL, regs, &back, sizeof(back));
	assert_memory_equal(&back, &u, sizeof(u));
	assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &back), 0);
	child_finish(pid);
}

static int setup(void **state)
{
	(void)state;
	in = mmap(NULL, 2 * sizeof(*in), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (in == MAP_FAILED)
		return -1;
	out = in + 1;
	xsave_layout_read(&layout);
	arch = arch_x86_64_new(&layout);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arch_free(arch);
	return munmap(in, 2 * sizeof(*in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_general),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_initial),
		cmocka_unit_test(test_initial_one),
		cmocka_unit_test(test_pkru),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
