/*
 * A rig that executes an instruction from a given state and reports the state
 * it leaves: included once by each program that uses it. Signals carry control
 * in and out; each of the few pages lies alone, so that whatever else an
 * instruction touches faults.
 */
#ifndef TEST_X86_RIG_H
#define TEST_X86_RIG_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "arch/x86_64/relocate.h"
#include "base/mem.h"

#ifdef __x86_64__
#define MODE	  X86_MODE_64
#define ARENA	  ((void *)0x200000000000) /* out of reach of any mistake */
#define REG_PC	  REG_RIP
#define REG_STACK REG_RSP
#define REG_FIRST REG_R8
#define REG_LAST  REG_RCX
#define REG_COUNT REG_RCX
#define FAR_AWAY  0x400000000
#define WILD(v)	  ((v) | 1ull << 62) /* not canonical, mostly */
#else
#define MODE	  X86_MODE_32
#define ARENA	  ((void *)0x20000000)
#define REG_PC	  REG_EIP
#define REG_STACK REG_ESP
#define REG_FIRST REG_EDI
#define REG_LAST  REG_EAX
#define REG_COUNT REG_ECX
#define FAR_AWAY  0x40000000
#define WILD(v)	  ((v) % 0xf000)
#endif

#define PAGE	4096
#define N_STEPS 8
#define TRAP	0x100	/* of eflags */
#define RESUME	0x10000 /* set in the flags that a fault leaves */
#define FLAGS	(0x8d5 | 0x400)

/* Each page lies alone; what is not mapped faults. */
enum {
	CODE_AT = 0x10000,
	SLOT_AT = 0x20000,
	DATA_AT = 0x30000,
	STACK_AT = 0x40000,
	ARENA_SIZE = 0x50000
};

/*
 * What xsave writes behind its header up to AVX-512's registers: part of a
 * state only for programs that set rig.wide to how much of it there is.
 */
#define WIDE_AT	  576
#define WIDE_SIZE 2112

struct memory {
	uint8_t data[PAGE], stack[PAGE];
};

struct state {
	gregset_t regs;
	uint8_t xmm[256];
	uint8_t wide[WIDE_SIZE];
	struct memory mem;
	int signo;
	uintptr_t addr; /* of a fault */
};

struct step {
	uintptr_t pc;
	gregset_t regs;
};

static struct {
	uint8_t *arena, *slot;
	uint8_t *code_page, *near_page, *far_page; /* to write to */
	struct state *from, *to;		   /* of the run that goes on */
	gregset_t home;
	uint8_t home_fp[528];
	bool running, stepping;
	unsigned n_steps;
	struct step steps[N_STEPS];
	unsigned long fs;
	unsigned wide;
	uint64_t wide_features; /* bits of xcr0 */
	bool wants_canonical_stack;
} rig;

static void require(bool holds)
{
	if (holds)
		return;
	fprintf(stderr, "relocate-run: cannot be set up here\n");
	exit(2);
}

static uint64_t seed = 0x123456789abcdef;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* The thread pointer must survive a program's fs: operand; no libc here. */
static inline void set_thread_pointer(unsigned long v)
{
#ifdef __x86_64__
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_arch_prctl), "D"(0x1002), "S"(v)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("mov %0, %%gs" ::"r"((uint16_t)v));
#endif
}

static void copy_xmm(void *to, const void *from)
{
	__builtin_memcpy(to, from, 256);
}

/*
 * In a signal frame: x87 and SSE state as fxsave writes it, on i386 behind
 * what fsave does. Of its 512 bytes the last 96 are the kernel's.
 */
#ifdef __x86_64__
#define FXSAVE_AT 0
#else
#define FXSAVE_AT 112
#endif
#define FP_SIZE	      (FXSAVE_AT + 416)
#define FP(uc)	      ((uint8_t *)(uc)->uc_mcontext.fpregs)
#define XMM(uc)	      (FP(uc) + FXSAVE_AT + 160)
#define WIDE(uc)      (FP(uc) + FXSAVE_AT + WIDE_AT)
#define XFEATURES(uc) ((uint64_t *)(void *)(FP(uc) + FXSAVE_AT + 512))

__attribute__((optimize("no-stack-protector"), no_sanitize("all"))) static void
start_run(ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;

	__builtin_memcpy(rig.home, regs, sizeof(gregset_t));
	__builtin_memcpy(rig.home_fp, FP(uc), FP_SIZE);
	for (int i = REG_FIRST; i <= REG_LAST; i++)
		regs[i] = rig.from->regs[i];
	regs[REG_STACK] = rig.from->regs[REG_STACK];
#ifndef __x86_64__
	regs[REG_UESP] = rig.from->regs[REG_STACK];
	regs[REG_GS] = 0;
#endif
	regs[REG_PC] = rig.from->regs[REG_PC];
	regs[REG_EFL] =
		rig.from->regs[REG_EFL] | 0x202 | (rig.stepping ? TRAP : 0);
	copy_xmm(XMM(uc), rig.from->xmm);
	if (rig.wide) {
		__builtin_memcpy(WIDE(uc), rig.from->wide, rig.wide);
		*XFEATURES(uc) |= rig.wide_features;
	}
	rig.running = true;
#ifdef __x86_64__
	set_thread_pointer(0x300000000000);
#endif
}

/* i386 keeps the user's stack pointer apart. */
static inline void settle_stack(greg_t *regs)
{
#ifndef __x86_64__
	regs[REG_STACK] = regs[REG_UESP];
#endif
	(void)regs;
}

/* Goes on inside the slot, without the trap flag outside of it. */
__attribute__((optimize("no-stack-protector"), no_sanitize("all"))) static bool
take_step(greg_t *regs)
{
	uintptr_t pc = regs[REG_PC], slot = (uintptr_t)rig.slot;

	if (rig.n_steps < N_STEPS) {
		rig.steps[rig.n_steps].pc = pc;
		__builtin_memcpy(rig.steps[rig.n_steps].regs, regs,
				 sizeof(gregset_t));
		settle_stack(rig.steps[rig.n_steps++].regs);
	}
	if (pc - slot >= X86_SLOT_MAX)
		regs[REG_EFL] &= ~TRAP;
	return true;
}

__attribute__((optimize("no-stack-protector"), no_sanitize("all"))) static void
handler(int signo, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	greg_t *regs = uc->uc_mcontext.gregs;

	if (signo == SIGUSR1) {
		start_run(uc);
		return;
	}
	if (rig.running && signo == SIGTRAP && si->si_code == TRAP_TRACE &&
	    take_step(regs))
		return;
	set_thread_pointer(rig.fs);
	if (!rig.running)
		_exit(99);
	rig.running = false;
	__builtin_memcpy(rig.to->regs, regs, sizeof(gregset_t));
	settle_stack(rig.to->regs);
	copy_xmm(rig.to->xmm, XMM(uc));
	if (rig.wide)
		__builtin_memcpy(rig.to->wide, WIDE(uc), rig.wide);
	rig.to->signo = signo;
	rig.to->addr = signo == SIGSEGV ? (uintptr_t)si->si_addr : 0;
	__builtin_memcpy(regs, rig.home, sizeof(gregset_t));
	__builtin_memcpy(FP(uc), rig.home_fp, FP_SIZE);
}

static void map_data(uint8_t *at)
{
	void *p =
		mmap(at, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	require(p == at);
}

/* Code that the program itself cannot change; returns where we can. */
static uint8_t *map_code(uint8_t *at)
{
	int fd = memfd_create("code", 0);
	void *p;

	require(!ftruncate(fd, PAGE));
	p = mmap(at, PAGE, PROT_READ | PROT_EXEC,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	require(p == at);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	require(p != MAP_FAILED);
	return p;
}

static void read_thread_pointer(void)
{
#ifdef __x86_64__
	syscall(SYS_arch_prctl, 0x1003, &rig.fs);
#else
	uint16_t gs;

	__asm__("mov %%gs, %0" : "=r"(gs));
	rig.fs = gs;
#endif
}

static void take_signals(void)
{
	static const int signals[] = { SIGUSR1, SIGTRAP, SIGSEGV,
				       SIGILL,	SIGFPE,	 SIGBUS };
	struct sigaction sa = { .sa_sigaction = handler,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

static void probe_stack(void);

static void set_up(void)
{
	static uint8_t signal_stack[1 << 16];
	stack_t st = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };

	x86_vendor = x86_vendor_here();
	rig.arena = ARENA;
	rig.code_page = map_code(rig.arena + CODE_AT);
	rig.near_page = map_code(rig.arena + SLOT_AT);
	rig.far_page = map_code(rig.arena + FAR_AWAY);
	map_data(rig.arena + DATA_AT);
	map_data(rig.arena + STACK_AT);
	read_thread_pointer();
	sigaltstack(&st, NULL);
	take_signals();
	probe_stack();
}

static void run_once(const struct state *from, struct state *to, uint8_t *pc,
		     bool stepping)
{
	struct state start = *from;

	start.regs[REG_PC] = (greg_t)(uintptr_t)pc;
	memcpy(rig.arena + DATA_AT, from->mem.data, PAGE);
	memcpy(rig.arena + STACK_AT, from->mem.stack, PAGE);
	rig.from = &start;
	rig.to = to;
	rig.stepping = stepping;
	rig.n_steps = 0;
	/* The compiler believes that raise() calls nothing of this file. */
	__asm__ volatile("" ::: "memory");
	raise(SIGUSR1);
	__asm__ volatile("" ::: "memory");
	memcpy(to->mem.data, rig.arena + DATA_AT, PAGE);
	memcpy(to->mem.stack, rig.arena + STACK_AT, PAGE);
	to->regs[REG_EFL] &= ~(greg_t)(TRAP | RESUME);
}

static inline uint64_t canonical(uint64_t v)
{
	return (uint64_t)((int64_t)(v << 16) >> 16);
}

/* Can a run begin with that stack pointer, or go on behind an interrupt? */
static inline bool can_begin(const struct state *s)
{
	uint64_t sp = (uint64_t)s->regs[REG_STACK];

	return !rig.wants_canonical_stack || sp == canonical(sp);
}

#define RUNS_MAX 16

/*
 * An instruction may set a stack pointer with which this machine does not go
 * on: an interrupt behind it ends the run too early. Another one is lucky.
 */
static void run(const struct state *from, struct state *to, uint8_t *pc,
		bool stepping)
{
	int left = RUNS_MAX;

	do
		run_once(from, to, pc, stepping);
	while (!stepping && to->signo != SIGTRAP && !can_begin(to) && --left);
}

/*
 * The processor goes to a program whatever that's stack pointer is. A
 * hypervisor that does so in its place may refuse one that is not canonical:
 * the program then gets a SIGSEGV before its first instruction.
 */
static void probe_stack(void)
{
#ifdef __x86_64__
	static struct state from, to;
	uint8_t *pc = rig.arena + CODE_AT;

	*rig.code_page = 0xcc;
	from.regs[REG_STACK] = 1ll << 62;
	run(&from, &to, pc, false);
	rig.wants_canonical_stack =
		to.signo == SIGSEGV && to.regs[REG_PC] == (greg_t)(uintptr_t)pc;
	require(rig.wants_canonical_stack || to.signo == SIGTRAP);
	if (rig.wants_canonical_stack)
		printf("no run begins with a stack pointer that is not "
		       "canonical: this machine faults there\n");
#endif
}

#endif
