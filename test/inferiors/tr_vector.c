/* tr_vector: x87, SSE, AVX, AVX-512 and tile state across branches and system
 * calls: all of it loaded by xrstor, saved by xsave after them, and compared.
 * Then rounding modes, exception flags and long doubles in compiled code. */
#include "tr_run.h"
#include <cpuid.h>
#include <fenv.h>
#include <math.h>
#include <sys/syscall.h>

#define REQUEST_PERMISSION 0x1023 /* arch_prctl: ARCH_REQ_XCOMP_PERM */
#define TILE_DATA	   18

void *target_slot;
static unsigned char in[16384] __attribute__((aligned(64)));
static unsigned char out[16384] __attribute__((aligned(64)));

/* clang-format off */
/* rdi: state to load, rsi: where to save it, rdx:rax: components, r8: data */
#define ACROSS(name, code) \
	PIECE(name, "	xrstor64 (%rdi)\n	push %rax\n	push %rdx\n" \
		    code "\n	pop %rdx\n	pop %rax\n	xsave64 (%rsi)")
PIECE(nothing, "");
ACROSS(no_branch, "");
ACROSS(jmp, "	jmp 1f\n	ud2\n1:	");
ACROSS(jcc, "	cmp %rax,%rdx\n	ja 1f\n	jbe 2f\n1:	nop\n2:	");
ACROSS(call_ret, "	call nothing\n	call 1f\n	jmp 2f\n"
		 "1:	call nothing\n	ret\n2:	");
ACROSS(indirect, "	lea 1f(%rip),%rdx\n	jmp *%rdx\n	ud2\n"
		 "1:	lea nothing(%rip),%rdx\n	call *%rdx\n"
		 "	call *target_slot(%rip)");
ACROSS(loops, "	mov $1000,%ecx\n1:	call nothing\n	loop 1b");
ACROSS(system_call, "	push %rsi\n	push %rdi\n	mov $39,%eax\n"
		    "	syscall\n	mov $24,%eax\n	syscall\n"
		    "	pop %rdi\n	pop %rsi");
ACROSS(push_ret, "	lea 1f(%rip),%rdx\n	push %rdx\n	ret\n"
		 "	ud2\n1:	");
/* clang-format on */

struct row {
	const char *name;
	void *piece;
};

#define R(n)          \
	{             \
#n, n \
	}
static const struct row rows[] = {
	R(no_branch), R(jmp),	R(jcc),		R(call_ret),
	R(indirect),  R(loops), R(system_call), R(push_ret),
};

static unsigned long components(void)
{
	unsigned int low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (unsigned long)high << 32 | low;
}

/* A state of all these components that xrstor takes, each byte something. */
static void make_state(unsigned long mask, unsigned int seed)
{
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)((seed = seed * 1103515245 + 12345) >>
					16);
	memset(in + 512, 0, 64);
	memcpy(in + 512, &mask, sizeof(mask));
	memcpy(in, "\x7f\x0b\x00\x18\xff\x00", 6); /* cw, sw, tags */
	memset(in + 6, 0, 18);			   /* opcode, addresses */
	memcpy(in + 24, "\x80\x7f\x00\x00", 4);	   /* mxcsr: round to 0 */
	for (int i = 0; i < 8; i++)
		memset(in + 32 + 16 * i + 10, 0, 6);
	memset(in + 416, 0, 96);
}

static void compare_part(const char *what, size_t at, size_t n)
{
	for (size_t i = at; i < at + n; i++)
		if (!EXPECT(out[i], in[i])) {
			printf("that was byte %zu of %s\n", i - at, what);
			return;
		}
}

static void compare_state(const char *name, unsigned long mask)
{
	unsigned int size, offset, c, d;
	char what[64];

	compare_part(name, 0, 28);
	compare_part(name, 32, 384);
	for (unsigned int n = 2; n < 63; n++) {
		if (!(mask >> n & 1))
			continue;
		__cpuid_count(0xd, n, size, offset, c, d);
		snprintf(what, sizeof(what), "component %u in %s", n, name);
		if (offset + size <= sizeof(in))
			compare_part(what, offset, size);
	}
}

static void run_rows(unsigned long mask)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rows) * 4; i++) {
		struct tr_regs r;

		tr_fill(&r);
		make_state(mask, i);
		memset(out, 0, sizeof(out));
		r.rdi = (unsigned long)in;
		r.rsi = (unsigned long)out;
		r.rax = mask & 0xffffffff;
		r.rdx = mask >> 32;
		tr_run(&r, rows[i / 4].piece);
		compare_state(rows[i / 4].name, mask);
	}
	__asm__ volatile("fninit");
	fesetenv(FE_DFL_ENV);
}

static void saved(void)
{
	target_slot = nothing;
	run_rows(3);
	run_rows(components() & 0xe7);
}

static void tiles(void)
{
	static unsigned char config[64]
		__attribute__((aligned(64))) = { 1,  0, [16] = 64, 0,
						 64, 0, [48] = 16, 16 };
	static unsigned char data[1024], back[1024];

	if (!(components() >> TILE_DATA & 1) ||
	    syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA))
		return;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	for (int i = 0; i < 100; i++) {
		memset(back, 0, sizeof(back));
		__asm__ volatile(".byte 0xc4,0xe2,0x78,0x49,0x00\n"
				 ".byte 0xc4,0xe2,0x7b,0x4b,0x04,0x0f\n"
				 "call nothing\n"
				 "call *target_slot(%%rip)\n"
				 ".byte 0xc4,0xe2,0x7a,0x4b,0x04,0x0e\n"
				 ".byte 0xc4,0xe2,0x78,0x49,0xc0"
				 :
				 : "a"(config), "D"(data), "S"(back), "c"(64L)
				 : "memory");
		EXPECT(memcmp(data, back, sizeof(data)), 0);
	}
}

/* --- compiled code --- */

__attribute__((noinline)) static double mixed(int n, double a, float b, long c,
					      long double d)
{
	return n == 0 ? a + b + (double)c + (double)d
		      : mixed(n - 1, a * 1.5, b / 3, c ^ n, d * 0.75L);
}

static void rounding(void)
{
	static const int mode[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD,
				    FE_TOWARDZERO };
	volatile double one = 1, three = 3;

	for (int i = 0; i < 4; i++) {
		fesetround(mode[i]);
		say("%.17g %.17g %.20Lg %ld %ld", one / three, -one / three,
		    one / (long double)three, lrint(2.5 * one),
		    lrint(-2.5 * one));
		EXPECT(fegetround(), mode[i]);
	}
	fesetround(FE_TONEAREST);
	say("%.17g %.17g", mixed(20, 1.1, 2.2f, 3, 4.4L), sqrt(2 * one));
}

static void exceptions(void)
{
	volatile double zero = 0, big = 1e308;
	volatile double x;

	feclearexcept(FE_ALL_EXCEPT);
	x = 1 / zero;
	EXPECT(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
	x = big * big;
	EXPECT(fetestexcept(FE_OVERFLOW), FE_OVERFLOW);
	x = zero / zero;
	EXPECT(fetestexcept(FE_INVALID), FE_INVALID);
	feclearexcept(FE_ALL_EXCEPT);
	(void)x;
}

/*
 * Where the last x87 instruction was is the one thing that shows where a
 * program runs from: followed, it is its copy. What has to be right are the
 * operand's address (where processors keep it), the opcode, and an address
 * that the program itself has put there. Of an exception that is pending all
 * processors keep these, else AMD's do not: a division by zero is.
 */
PIECE(x87_place, "	fninit\n	fldl (%rsi)\n	fldcw 16(%rsi)\n"
		 "	fdivl 8(%rsi)\n	call nothing\n"
		 "	fxsave64 (%rdi)\n	mov 16(%rdi),%rax\n"
		 "	movzwl 6(%rdi),%edx\n	mov 8(%rdi),%rbx\n"
		 "	mov %rcx,8(%rdi)\n	fxrstor64 (%rdi)\n"
		 "	call nothing\n	fxsave64 (%rdi)\n"
		 "	mov 8(%rdi),%rcx\n	fninit");

static void fip(void)
{
	static struct {
		double number, zero;
		short control;
	} numbers = { 1.5, 0, 0x37b };
	struct tr_regs r;

	for (int i = 0; i < 3; i++) {
		tr_fill(&r);
		r.rdi = (unsigned long)out;
		r.rsi = (unsigned long)&numbers;
		r.rcx = 0x123456789a;
		tr_run(&r, x87_place);
		say("opcode %#lx", r.rdx);
		EXPECT(r.rax, (unsigned long)&numbers.zero);
		EXPECT(r.rbx != 0, 1);
		EXPECT(r.rcx, 0x123456789a);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "saved", saved },	  { "tiles", tiles },
		{ "rounding", rounding }, { "exceptions", exceptions },
		{ "fip", fip },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
