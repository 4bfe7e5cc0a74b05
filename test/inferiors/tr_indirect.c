/* tr_indirect: calls and jumps through every register and every form of a
 * memory operand, each with all flags set and with none, several times.
 *
 * A target puts 41 into eax, a call adds one to that. Only lea, mov, push and
 * pop stand around them, so the flags must come through. */
#include "tr_run.h"
#include <sys/mman.h>

#define LOW 0x10000000

PIECE(target, "	mov $41,%eax");
PIECE(target_pop16, "	lea 16(%rsp),%rsp\n	mov $41,%eax");

void *slot[4] = { target, target, target, target };
__thread void *tls_slot __attribute__((tls_model("local-exec"))) = target;

#define PLUS_ONE "\n	lea 1(%rax),%eax"

#define CALL(name, setup, operand) \
	PIECE(call_##name, setup "\n	call *" operand PLUS_ONE)
#define JUMP(name, setup, operand) \
	PIECE(jmp_##name, setup "\n	jmp *" operand)
#define EITHER(name, setup, operand) \
	CALL(name, setup, operand);  \
	JUMP(name, setup, operand)

/* All forms that have one register. */
#define REGISTER(r)                                                           \
	EITHER(reg_##r, "	lea target(%rip),%" #r, "%" #r);              \
	EITHER(base_##r, "	lea slot(%rip),%" #r, "(%" #r ")");           \
	EITHER(plus8_##r, "	lea slot-0x78(%rip),%" #r, "0x78(%" #r ")");  \
	EITHER(minus8_##r, "	lea slot+0x80(%rip),%" #r, "-0x80(%" #r ")"); \
	EITHER(plus32_##r,                                                    \
	       "	lea slot(%rip),%" #r "\n	lea -0x12345678(%" #r \
	       "),%" #r,                                                      \
	       "0x12345678(%" #r ")");                                        \
	EITHER(minus32_##r,                                                   \
	       "	lea slot(%rip),%" #r "\n	lea 0x12345678(%" #r  \
	       "),%" #r,                                                      \
	       "-0x12345678(%" #r ")");                                       \
	EITHER(scaled_##r, "	mov $" STR(LOW) "/8-2,%" #r, "16(,%" #r ",8)")

/* All scales of one pair, with the displacements. */
#define PAIR(b, i)       \
	SCALED(b, i, 1); \
	SCALED(b, i, 2); \
	SCALED(b, i, 4); \
	SCALED(b, i, 8)
#define SCALED(b, i, s)                                                        \
	EITHER(b##_##i##_##s,                                                  \
	       "	mov $3,%" #i "\n	lea slot-3*" #s "(%rip),%" #b, \
	       "(%" #b ",%" #i "," #s ")");                                    \
	EITHER(b##_##i##_##s##_8,                                              \
	       "	mov $-3,%" #i "\n	lea slot+3*" #s                \
	       "-8(%rip),%" #b,                                                \
	       "8(%" #b ",%" #i "," #s ")");                                   \
	EITHER(b##_##i##_##s##_32,                                             \
	       "	mov $5,%" #i "\n	lea slot-5*" #s                \
	       "+0x4000(%rip),%" #b,                                           \
	       "-0x4000(%" #b ",%" #i "," #s ")")
#define STR(x)	STR_(x)
#define STR_(x) #x

#define REGISTERS(f)                                                        \
	f(rax) f(rbx) f(rcx) f(rdx) f(rsi) f(rdi) f(rbp) f(r8) f(r9) f(r10) \
		f(r11) f(r12) f(r13) f(r14) f(r15)
#define PAIRS(f) \
	f(rax, rcx) f(rbp, rdx) f(r12, r13) f(r13, r12) f(rdi, r15) f(r9, rbp)

#define REGISTER_(r) REGISTER(r);
#define PAIR_(b, i)  PAIR(b, i);
REGISTERS(REGISTER_)
PAIRS(PAIR_)

/* What has rsp in it: the operand is read before the call pushes. */
#define PUSHED "	lea target(%rip),%rdx\n	push %rdx\n	push %rdx\n"
CALL(rsp, PUSHED, "(%rsp)\n	pop %rdx\n	pop %rdx");
CALL(rsp_8, PUSHED "	push $0", "8(%rsp)\n	lea 24(%rsp),%rsp");
CALL(rsp_32, PUSHED "	lea -0x800(%rsp),%rsp",
     "0x800(%rsp)\n	lea 0x810(%rsp),%rsp");
CALL(rsp_index, PUSHED "	mov $1,%ecx\n	push $0",
     "(%rsp,%rcx,8)\n	lea 24(%rsp),%rsp");
CALL(rsp_below, "	lea target(%rip),%rdx\n	mov %rdx,-8(%rsp)", "-8(%rsp)");
CALL(rsp_far_below, "	lea target(%rip),%rdx\n	mov %rdx,-128(%rsp)",
     "-128(%rsp)");
JUMP(rsp, "	lea target_pop16(%rip),%rdx\n	push %rdx\n	push %rdx",
     "(%rsp)");
JUMP(rsp_8, "	lea target_pop16(%rip),%rdx\n	push %rdx\n	push $0",
     "8(%rsp)");
JUMP(rsp_below, "	lea target(%rip),%rdx\n	mov %rdx,-8(%rsp)", "-8(%rsp)");
JUMP(rsp_index,
     "	lea target(%rip),%rdx\n	mov %rdx,-8(%rsp)\n"
     "	mov $-1,%rcx",
     "(%rsp,%rcx,8)");

EITHER(rip, "", "slot(%rip)");
EITHER(rip_far, "", "slot+24(%rip)");
EITHER(absolute, "", STR(LOW));
EITHER(address32, "	mov $" STR(LOW) ",%edx", "(%edx)");
EITHER(address32_index,
       "	mov $" STR(LOW) ",%edx\n	"
				"mov $0x10000000001,%rcx",
       "(%edx,%ecx,8)");
EITHER(fs, "", "%fs:tls_slot@tpoff");
EITHER(fs_base, "	mov $tls_slot@tpoff,%rdx", "%fs:(%rdx)");
EITHER(ds_ignored, "	lea slot(%rip),%rdx", "%ds:(%rdx)");
EITHER(got, "", "target@GOTPCREL(%rip)");
PIECE(notrack_jmp, "	lea target(%rip),%r11\n	notrack jmp *%r11");
PIECE(notrack_call, "	lea slot(%rip),%r11\n	notrack call *(%r11)" PLUS_ONE);
PIECE(bnd_call, "	lea slot(%rip),%r11\n	bnd call *(%r11)" PLUS_ONE);
PIECE(rexw_call,
      "	lea target(%rip),%r11\n	rex.WB\n	.byte 0xff,0xd3" PLUS_ONE);
PIECE(call_next, "	lea 1f(%rip),%rdx\n	call *%rdx\n"
		 "1:	pop %rdx\n	mov $42,%eax");

struct row {
	const char *name;
	void *piece;
	unsigned long rax;
};

#define ROW_CALL(n)                      \
	{                                \
		"call " #n, call_##n, 42 \
	}
#define ROW_JUMP(n)                    \
	{                              \
		"jmp " #n, jmp_##n, 41 \
	}
#define ROW(n) ROW_CALL(n), ROW_JUMP(n)
#define ROWS_REGISTER(r)                                              \
	ROW(reg_##r), ROW(base_##r), ROW(plus8_##r), ROW(minus8_##r), \
		ROW(plus32_##r), ROW(minus32_##r), ROW(scaled_##r),
#define ROWS_SCALED(b, i, s) \
	ROW(b##_##i##_##s), ROW(b##_##i##_##s##_8), ROW(b##_##i##_##s##_32)
#define ROWS_PAIR(b, i)                                                   \
	ROWS_SCALED(b, i, 1), ROWS_SCALED(b, i, 2), ROWS_SCALED(b, i, 4), \
		ROWS_SCALED(b, i, 8),

static const struct row rows[] = {
	REGISTERS(ROWS_REGISTER) PAIRS(ROWS_PAIR) ROW(rsp),
	ROW(rsp_8),
	ROW(rsp_below),
	ROW(rsp_index),
	ROW_CALL(rsp_32),
	ROW_CALL(rsp_far_below),
	ROW(rip),
	ROW(rip_far),
	ROW(absolute),
	ROW(address32),
	ROW(address32_index),
	ROW(fs),
	ROW(fs_base),
	ROW(ds_ignored),
	ROW(got),
	{ "notrack jmp", notrack_jmp, 41 },
	{ "notrack call", notrack_call, 42 },
	{ "bnd call", bnd_call, 42 },
	{ "rex.W call", rexw_call, 42 },
	{ "call of the next", call_next, 42 },
};

static void run_row(const struct row *row)
{
	struct tr_regs r;

	for (int i = 0; i < 4; i++) {
		tr_fill(&r);
		r.flags |= i & 1 ? TR_STATUS : 0;
		tr_run(&r, row->piece);
		if (!EXPECT(r.rax, row->rax) ||
		    !EXPECT(r.flags & TR_STATUS, i & 1 ? TR_STATUS : 0))
			printf("that was %s\n", row->name);
		EXPECT(r.rsp, tr_stack);
	}
}

static void forms(void)
{
	void **low =
		mmap((void *)LOW, 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (low == (void **)LOW)
		low[0] = low[1] = target;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		run_row(&rows[i]);
	munmap(low, 4096);
	say("%zu forms", ARRAY_SIZE(rows));
}

/* --- one place with many targets --- */

#define TARGET(n)                                          \
	__attribute__((noinline)) static long t##n(long x) \
	{                                                  \
		return (x * (2 * n + 3) + n) & 0xffffffff; \
	}
/* clang-format off */
#define EIGHT(f, n) \
	f(n##0) f(n##1) f(n##2) f(n##3) f(n##4) f(n##5) f(n##6) f(n##7)
EIGHT(TARGET, 1) EIGHT(TARGET, 2) EIGHT(TARGET, 3) EIGHT(TARGET, 4)
#define ITS_NAME(n) t##n,
static long (*const targets[])(long) = {
	EIGHT(ITS_NAME, 1) EIGHT(ITS_NAME, 2)
	EIGHT(ITS_NAME, 3) EIGHT(ITS_NAME, 4)
};
/* clang-format on */

/* Targets one after another, one for long, two by turns. */
static void many(void)
{
	long x = 1;

	for (long i = 0; i < 100000; i++)
		x = targets[i % 32](x);
	for (long i = 0; i < 100000; i++)
		x = targets[i / 5000 % 32](x);
	for (long i = 0; i < 100000; i++)
		x = targets[i & 1 ? 7 : i % 3](x);
	say("%#lx", x);
}

static int compared;

static int compare(const void *a, const void *b)
{
	compared++;
	return *(const int *)a - *(const int *)b;
}

static void callback(void)
{
	int number[1000];
	long sum = 0;

	for (int i = 0; i < 1000; i++)
		number[i] = i * 7919 % 1000;
	compared = 0;
	qsort(number, 1000, sizeof(number[0]), compare);
	for (int i = 0; i < 1000; i++)
		sum += (long)i * number[i];
	say("%ld after %d comparisons", sum, compared);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "forms", forms },
		{ "many", many },
		{ "callback", callback },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
