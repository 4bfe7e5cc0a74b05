/*
 * touching MODE: instructions of every kind that touch memory, each at every
 *
 *	writes, reads	... that write, or read, place
 *	strings		with prefixes, in both directions
 *	threads		three threads that write it in turns
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

volatile unsigned char area[1024] __attribute__((aligned(64)));
/* Who watches it watches its first 8 bytes. */
#define PLACE (area + 512)
volatile long marks;
static volatile unsigned char other[1024] __attribute__((aligned(64)));

void begin(void);

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
	memset((void *)area, 1, sizeof(area));
	memcpy((void *)area, (void *)other, sizeof(area));
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

int main(int argc, char **argv)
{
	unsigned sum = 0;

	begin();
	if (argc > 1 && !strcmp(argv[1], "reads"))
		reads();
	else if (argc > 1 && !strcmp(argv[1], "strings"))
		strings();
	else if (argc > 1 && !strcmp(argv[1], "threads"))
		in_threads();
	else
		writes();
	for (unsigned i = 0; i < sizeof(area); i++)
		sum = sum * 31 + area[i];
	printf("%u\n", sum);
	return 0;
}
