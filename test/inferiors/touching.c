/*
 * touching MODE: instructions of every kind that touch memory, each at every
 *
 *	writes, reads	... that write, or read, place
 *	stacks		calls, enter and their kin, by a stack that lies there
 *	states		fxsave and its kin
 *	segments	operands by fs and gs
 *	elements	gathers and scatters; only what the processor has
 *	masks		what stores a part of a vector
 *	strings		with prefixes, in both directions
 *	scans		the same, that end where they find something
 *	calls		read(2) to it
 *	forks		a child that writes it, and then the parent
 *	apart		writes(), by functions that can be excluded
 *	near		3,000,000 stores beside it, at near_store
 *	busy		for ever
 *	bits		40,000 by bts, at near_bits
 *	threads		three threads that write it in turns
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

volatile unsigned char area[4096] __attribute__((aligned(64)));
/* Who watches it watches its first 8 bytes. */
#define PLACE (area + 512)
volatile long marks;
static volatile unsigned char other[1024] __attribute__((aligned(64)));

void begin(void);
void leaf_writes(long v);

__attribute__((noinline)) void begin(void)
{
	marks++;
}

#define AT(n) (PLACE + (n))
#define WRITE_BY(step, text)                                           \
	for (int n = -80; n < 32; n += (step)) {                       \
		long a = n, c = 1, d = n, at = (long)AT(n);            \
		asm volatile(text                                      \
			     : "+a"(a), "+c"(c), "+d"(d), "+S"(at)     \
			     :                                         \
			     : "memory", "cc", "xmm0", "st", "st(1)"); \
	}
#define WRITE(text)    WRITE_BY(1, text)
#define WRITE_16(text) WRITE_BY(16, text)

static void writes(void)
{
	static const long bits[] = { -600, -1, 0, 63, 64, 200 };

	WRITE("movb %%al, (%%rsi)");
	WRITE("movw %%ax, (%%rsi)");
	WRITE("movl %%eax, (%%rsi)");
	WRITE("movq %%rax, (%%rsi)");
	WRITE("movq $5, 8(%%rsi,%%rcx,4)");
	WRITE("addl %%edx, 4(%%rsi)");
	WRITE("cmpl %%edx, 4(%%rsi)");
	WRITE("incw (%%rsi)");
	WRITE("xchg %%edx, (%%rsi)");
	WRITE("lock xaddq %%rdx, (%%rsi)");
	WRITE("lock cmpxchgl %%edx, (%%rsi)");
	WRITE("shlb $1, (%%rsi)");
	WRITE("shldl $3, %%eax, (%%rsi)");
	WRITE("notq (%%rsi)");
	WRITE("setc (%%rsi)");
	WRITE("btsl $3, (%%rsi)");
	WRITE("btl $3, (%%rsi)");
	WRITE("fnstcw (%%rsi)");
	WRITE("fld1; fstpl (%%rsi)");
	WRITE("fld1; fstpt (%%rsi)");
	WRITE("fld1; fistpl (%%rsi)");
	WRITE("stmxcsr (%%rsi)");
	WRITE("movd %%xmm0, (%%rsi)");
	WRITE("movq %%xmm0, (%%rsi)");
	WRITE("movss %%xmm0, (%%rsi)");
	WRITE("movsd %%xmm0, (%%rsi)");
	WRITE("movups %%xmm0, (%%rsi)");
	WRITE("movdqu %%xmm0, (%%rsi)");
	WRITE("movhps %%xmm0, (%%rsi)");
	WRITE("movnti %%rax, (%%rsi)");
	WRITE_16("movntdq %%xmm0, (%%rsi)");
	WRITE_16("movaps %%xmm0, (%%rsi)");
	WRITE("pushq %%rbx; movq %%rsi, %%rbx; pushq (%%rbx); popq (%%rbx); "
	      "popq "
	      "%%rbx");
	WRITE("xchg %%rsi, %%rsp; pushq %%rax; xchg %%rsi, %%rsp");
	WRITE("pushf; popf");
	for (int n = 0; n < 6; n++)
		asm volatile("btsq %1, (%0)"
			     :
			     : "r"(AT(0)), "r"(bits[n])
			     : "memory");
	if (__builtin_cpu_supports("avx2")) {
		WRITE("vmovups %%ymm0, (%%rsi)");
		WRITE("vextracti128 $1, %%ymm0, (%%rsi)");
		WRITE("vmovd %%xmm0, (%%rsi)");
	}
	if (__builtin_cpu_supports("avx512f")) {
		WRITE("vmovups %%zmm0, 64(%%rsi)");
		WRITE("vmovdqu64 %%zmm0, (%%rsi)");
		WRITE("vextracti64x4 $1, %%zmm0, 32(%%rsi)");
	}
}

static void reads(void)
{
	WRITE("movb (%%rsi), %%al");
	WRITE("movzwl (%%rsi), %%eax");
	WRITE("movl (%%rsi), %%eax");
	WRITE("addq (%%rsi), %%rdx");
	WRITE("cmpl %%edx, (%%rsi)");
	WRITE("testb $1, (%%rsi)");
	WRITE("imull $3, (%%rsi), %%edx");
	WRITE("btl $3, (%%rsi)");
	WRITE("fldl (%%rsi); fstp %%st");
	WRITE("movss (%%rsi), %%xmm0");
	WRITE("movups (%%rsi), %%xmm0");
	WRITE("cvtsi2sdl (%%rsi), %%xmm0");
	WRITE("movb %%al, (%%rsi)");
	WRITE("leaq (%%rsi), %%rdx");
	WRITE("prefetcht0 (%%rsi)");
}

static void strings(void)
{
	for (int n = -40; n < 16; n += 3) {
		memset((void *)other, n, sizeof(other));
		long d = (long)AT(n), s = (long)other, c = 5;

		asm volatile("rep movsb"
			     : "+D"(d), "+S"(s), "+c"(c)
			     :
			     : "memory");
		d = (long)AT(n), c = 7;
		asm volatile("rep stosl"
			     : "+D"(d), "+c"(c)
			     : "a"(n)
			     : "memory");
		d = (long)AT(n), s = (long)other + 200, c = 3;
		asm volatile("std; rep movsq; cld"
			     : "+D"(d), "+S"(s), "+c"(c)
			     :
			     : "memory");
		d = (long)AT(n);
		asm volatile("stosw" : "+D"(d) : "a"(n) : "memory");
		d = (long)other, s = (long)AT(n);
		asm volatile("movsq" : "+D"(d), "+S"(s) : : "memory");
		c = 0, d = (long)AT(0);
		asm volatile("rep stosb"
			     : "+D"(d), "+c"(c)
			     : "a"(n)
			     : "memory");
	}
	memset((void *)area, 1, 1024);
	memcpy((void *)area, (void *)other, 1024);
}

static void scans(void)
{
	for (int n = -24; n < 24; n++) {
		long d = (long)area + 400, s = (long)other + 400, c = -1;

		memset((void *)other, 1, sizeof(other));
		for (int i = 0; i < 1024; i++)
			area[i] = 1;
		*AT(n) = 0;
		asm volatile("repne scasb"
			     : "+D"(d), "+c"(c)
			     : "a"(0)
			     : "memory", "cc");
		d = (long)area + 400, c = 400;
		asm volatile("repe cmpsb"
			     : "+D"(d), "+S"(s), "+c"(c)
			     :
			     : "memory", "cc");
		d = (long)area + 600, c = -1;
		asm volatile("std; repne scasb; cld"
			     : "+D"(d), "+c"(c)
			     : "a"(0)
			     : "memory", "cc");
	}
}

static void callee(void)
{
	marks++;
}

static void stacks(void)
{
	void (*volatile pointer)(void) = callee;

	WRITE("xchg %%rsi, %%rsp; call 1f; 1: lea 8(%%rsp), %%rsp; "
	      "xchg %%rsi, %%rsp");
	WRITE("lea 2f(%%rip), %%rdx; xchg %%rsi, %%rsp; call *%%rdx; "
	      "2: lea 8(%%rsp), %%rsp; xchg %%rsi, %%rsp");
	WRITE("xchg %%rsi, %%rsp; enter $16, $0; leave; xchg %%rsi, %%rsp");
	WRITE("push %%rbp; lea 24(%%rsi), %%rbp; xchg %%rsi, %%rsp; "
	      "enter $16, $3; leave; xchg %%rsi, %%rsp; pop %%rbp");
	WRITE("push %%rbp; mov %%rsp, %%rdx; mov %%rsi, %%rbp; leave; "
	      "mov %%rdx, %%rsp; pop %%rbp");
	WRITE("xchg %%rsi, %%rsp; pushf; popf; xchg %%rsi, %%rsp");
	WRITE("xchg %%rsi, %%rsp; push %%rax; pop %%rax; xchg %%rsi, %%rsp");
	WRITE("xchg %%rsi, %%rsp; push %%rax; pop 8(%%rsp); lea -8(%%rsp), "
	      "%%rsp; pop (%%rsp); xchg %%rsi, %%rsp");
	WRITE("lea 3f(%%rip), %%rdx; xchg %%rsi, %%rsp; push %%rdx; ret; "
	      "3: xchg %%rsi, %%rsp");
	*(volatile long *)PLACE = (long)callee;
	(*(void (*volatile *)(void))PLACE)();
	asm volatile("lea -256(%%rsp), %%rsp; call *(%0); lea 256(%%rsp), %%rsp"
		     :
		     : "r"(PLACE)
		     : "memory", "cc", "rax", "rcx", "rdx", "r8", "r9", "r10",
		       "r11");
	pointer();
}

/* Filled with what none of them writes. */
static void fill(void)
{
	for (int i = 400; i < 700; i++)
		area[i] = 0xa5;
}

static void states(void)
{
	for (int n = 16; n <= 512; n += 16) {
		fill();
		asm volatile("fxsave (%0)" : : "r"(area + n) : "memory");
	}
	for (int n = 0; n <= 512; n += 64) {
		for (int i = 0; i < 64; i++)
			area[n + 512 + i] = 0;
		fill();
		for (int i = 0; i < 64; i++)
			area[n + 512 + i] = 0;
		asm volatile("xsave (%0)"
			     :
			     : "r"(area + n), "a"(7), "d"(0)
			     : "memory");
	}
}

static void segments(void)
{
	static long dummy;
	long here;

	asm volatile("mov %%fs:0, %0" : "=r"(here));
	for (int n = -16; n < 16; n++) {
		long at = (long)AT(n) - here, d = (long)&dummy;

		asm volatile("movq %0, %%fs:(%0)" : : "r"(at) : "memory");
		asm volatile("movb %%fs:(%0), %%al" : : "r"(at) : "rax");
		asm volatile("addl $1, %%fs:4(%0)" : : "r"(at) : "memory");
		asm volatile("movsl %%fs:(%%rsi), (%%rdi)"
			     : "+S"(at), "+D"(d)
			     :
			     : "memory");
	}
	syscall(SYS_arch_prctl, ARCH_SET_GS, (long)area + 256);
	for (int n = -16; n < 16; n++) {
		long at = 256 + n, d = (long)&dummy, c = 2, x = n;

		asm volatile("movq %0, %%gs:(%0)" : : "r"(at) : "memory");
		asm volatile("movb %%gs:(%0), %%al" : : "r"(at) : "rax");
		asm volatile("lock addl $1, %%gs:4(%0)" : : "r"(at) : "memory");
		asm volatile("movl %k0, %%gs:248(%0,%1,4)"
			     :
			     : "r"(x), "r"(c)
			     : "memory");
		asm volatile("btsl $3, %%gs:256" : : : "memory");
		asm volatile("movsl %%gs:(%%rsi), (%%rdi)"
			     : "+S"(at), "+D"(d)
			     :
			     : "memory");
	}
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0L);
}

static const int indices[16] = { 0, -3, 8, 5, 1, 0, -2, 0,
				 7, 2,	0, 4, 9, 3, 6,	0 };

/* The compiler uses no registers beyond those that are named. */
#define INDEXED(text)                                             \
	for (int n = -40; n < 40; n++)                            \
	asm volatile(text                                         \
		     :                                            \
		     : "r"(AT(n)), "r"(AT(0) - 64), "r"(indices), \
		       "r"(indices + 4), "a"(n & 0xff)            \
		     : "memory", "xmm0", "xmm1", "xmm2")

static void elements(void)
{
	INDEXED("xchg %%rbx, %0; xlat; xchg %%rbx, %0");
	if (__builtin_cpu_supports("avx2")) {
		INDEXED("vmovdqu (%2), %%ymm1; vpcmpeqd %%ymm2, %%ymm2, "
			"%%ymm2; vpgatherdd %%ymm2, (%0,%%ymm1,4), %%ymm0");
		INDEXED("vmovdqu (%2), %%xmm1; vpcmpgtd (%3), %%xmm1, %%xmm2; "
			"vpgatherdd %%xmm2, 8(%0,%%xmm1,2), %%xmm0");
		INDEXED("vpmovsxdq (%2), %%ymm1; vpcmpeqd %%ymm2, %%ymm2, "
			"%%ymm2; vpgatherqq %%ymm2, (%0,%%ymm1,1), %%ymm0");
		INDEXED("vpmovsxdq (%2), %%ymm1; vpcmpeqd %%xmm2, %%xmm2, "
			"%%xmm2; vgatherqps %%xmm2, (%0,%%ymm1,8), %%xmm0");
	}
	if (__builtin_cpu_supports("avx512f")) {
		INDEXED("vmovdqu64 (%2), %%zmm17; kxnorw %%k1, %%k1, %%k1; "
			"kshiftrw $3, %%k1, %%k1; vpgatherdd "
			"64(%0,%%zmm17,4), %%zmm18 %{%%k1%}");
		INDEXED("vmovdqu64 (%2), %%zmm1; kxnorw %%k1, %%k1, %%k1; "
			"vpscatterdd %%zmm1, -20(%0,%%zmm1,4) %{%%k1%}");
		INDEXED("vpmovsxdq (%2), %%zmm30; kxnorw %%k2, %%k2, %%k2; "
			"kshiftlw $2, %%k2, %%k2; vpscatterqq %%zmm30, "
			"8(%0,%%zmm30,2) %{%%k2%}");
	}
}

static void masks(void)
{
	fill();
	INDEXED("xchg %%rdi, %0; movups (%2), %%xmm1; maskmovdqu %%xmm1, "
		"%%xmm1; xchg %%rdi, %0");
	fill();
	if (__builtin_cpu_supports("avx"))
		INDEXED("vmovdqu (%2), %%ymm1; vmaskmovps %%ymm1, %%ymm1, "
			"(%0)");
	fill();
	if (__builtin_cpu_supports("avx512f"))
		INDEXED("vmovdqu64 (%2), %%zmm1; vpmovd2m %%zmm1, %%k1; "
			"vmovdqu32 %%zmm1, (%0) %{%%k1%}");
}

static void calls(void)
{
	int fds[2];
	char text[8] = "written";

	if (pipe(fds) || write(fds[1], text, sizeof(text)) != sizeof(text) ||
	    read(fds[0], (void *)PLACE, sizeof(text)) != sizeof(text))
		marks = -1;
	begin();
	PLACE[1] = 'R';
}

static void forks(void)
{
	pid_t child = fork();

	if (!child) {
		*(volatile long *)PLACE = 77;
		_exit(PLACE[0] != 77);
	}
	waitpid(child, NULL, 0);
	*(volatile long *)PLACE = 78;
}

__attribute__((noinline)) void leaf_writes(long v)
{
	*(volatile long *)PLACE = v;
	asm volatile("" : : : "memory");
}

static void apart(void)
{
	for (int i = 1; i <= 20; i++)
		leaf_writes(i);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *write_it(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&lock);
		*(volatile long *)PLACE += (long)arg;
		marks++;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void in_threads(void)
{
	pthread_t all[3];

	for (long i = 0; i < 3; i++)
		pthread_create(&all[i], NULL, write_it, (void *)(i + 1));
	for (int i = 0; i < 3; i++)
		pthread_join(all[i], NULL);
}

/* A store with a name, at the begin of a block. */
#define STORE(name, text)                               \
	asm volatile("jmp " name "\n"                   \
		     ".globl " name "\n" name ": " text \
		     :                                  \
		     : "r"(PLACE), "r"(0)               \
		     : "memory", "cc")

static void near(void)
{
	for (long n = 3000000; n; n--)
		STORE("near_store", "movb $3, 8(%0)");
	begin();
}

static void busy(void)
{
	for (long n = 0;; n++)
		PLACE[8] = (unsigned char)n;
}

static void bits(void)
{
	for (long n = 40000; n; n--)
		STORE("near_bits", "btsl %1, 8(%0)");
	begin();
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "writes", writes },	  { "reads", reads },
	{ "stacks", stacks },	  { "states", states },
	{ "segments", segments }, { "elements", elements },
	{ "strings", strings },	  { "scans", scans },
	{ "masks", masks },	  { "calls", calls },
	{ "forks", forks },	  { "apart", apart },
	{ "near", near },	  { "busy", busy },
	{ "bits", bits },	  { "threads", in_threads },
};

#define N_MODES (sizeof(modes) / sizeof(modes[0]))

int main(int argc, char **argv)
{
	unsigned sum = 0;

	begin();
	for (unsigned i = 0; argc > 1 && i < N_MODES; i++) {
		if (!strcmp(argv[1], modes[i].name))
			modes[i].run();
	}
	for (unsigned i = 0; i < sizeof(area); i++)
		sum = sum * 31 + area[i];
	printf("%u\n", sum);
	return 0;
}
