/* tr_timer: checksums of many kinds of code, each computed once in peace and
 * then under a quick timer's signals: they must be the same. The handlers do
 * some work of their own, use vector registers, and sometimes fault. */
#include "tr_often.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <sys/syscall.h>

typedef unsigned long kind(unsigned long x);

#define MIX(x) ((x)*6364136223846793005ul + 1442695040888963407ul)

static unsigned long plain_loop(unsigned long x)
{
	for (int i = 0; i < 30000; i++)
		x = MIX(x) ^ (x >> 17);
	return x;
}

__attribute__((noinline)) static unsigned long fib(unsigned long n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static unsigned long recursion(unsigned long x)
{
	return x + fib(18);
}

static unsigned long add(unsigned long x)
{
	return x + 0x1111;
}
static unsigned long twist(unsigned long x)
{
	return x ^ x << 7;
}
static unsigned long turn(unsigned long x)
{
	return x >> 9 | x << 55;
}
static unsigned long nothing(unsigned long x)
{
	return x;
}

static unsigned long pointers(unsigned long x)
{
	kind *const table[] = { add, twist, turn, nothing, add, turn };

	for (int i = 0; i < 8000; i++)
		x = table[(x ^ (unsigned long)i) % 6](x);
	return x;
}

static unsigned long strings(unsigned long x)
{
	char a[512], b[512];

	for (int i = 0; i < 60; i++) {
		size_t n = 40 + x % 400;

		memset(a, (int)(x & 0x7f) | 1, n);
		a[n] = 0;
		memcpy(b, a, n + 1);
		b[n / 2] ^= 3;
		x = MIX(x + strlen(b) + (unsigned long)(strcmp(a, b) > 0));
		x += (unsigned long)(strchr(b, 5) != NULL);
		__asm__ volatile("rep movsb"
				 :
				 : "S"(a), "D"(b), "c"(n)
				 : "memory");
		x ^= (unsigned char)b[n - 1];
	}
	return x;
}

static unsigned long floats(unsigned long x)
{
	double d = (double)(x % 1000) + 1;
	long double l = 1;

	for (int i = 1; i < 3000; i++) {
		d = sqrt(d * d + i) - sin(d) / i;
		l = l * 0.99L + (long double)d;
	}
	return x ^ (unsigned long)(d * 1e6) ^ (unsigned long)l;
}

static unsigned long divisions(unsigned long x)
{
	for (unsigned long i = 1; i < 4000; i++)
		x = MIX(x) / i + x % (i + 7);
	return x;
}

static unsigned long carries(unsigned long x)
{
	unsigned long a[16] = { x, 1, 2, 3, ~0ul, ~0ul, 5 }, n = 0;

	for (int i = 0; i < 600; i++) {
		__asm__ volatile("	xor %%ecx,%%ecx\n	clc\n"
				 "1:	mov (%1,%%rcx,8),%%rax\n"
				 "	adc %%rax,(%1,%%rcx,8)\n"
				 "	inc %%ecx\n"
				 "	lea -16(%%rcx),%%rdx\n"
				 "	xchg %%rcx,%%rdx\n	jrcxz 2f\n"
				 "	xchg %%rcx,%%rdx\n	jmp 1b\n"
				 "2:	adc $0,%0"
				 : "+r"(n)
				 : "r"(a)
				 : "rax", "rcx", "rdx", "memory");
		a[i % 16] ^= x;
	}
	return n + a[3] + a[9];
}

static unsigned long calls(unsigned long x)
{
	for (int i = 0; i < 60; i++) {
		struct timespec now;

		x = MIX(x) + (unsigned long)syscall(SYS_getppid) * 0;
		x += syscall(1000) == -1 && errno == ENOSYS;
		clock_gettime(CLOCK_MONOTONIC, &now);
		x += now.tv_nsec < 1000000000;
	}
	return x;
}

static unsigned long vectors(unsigned long x)
{
	typedef unsigned int v8 __attribute__((vector_size(32)));
	v8 v = { 1, 2, 3, 4, 5, 6, 7, (unsigned int)x };

	for (int i = 0; i < 4000; i++)
		v = v * 1664525 + (v >> 7) + (v8){ 7, 6, 5, 4, 3, 2, 1, 0 };
	return x ^ v[0] ^ (unsigned long)v[7] << 20;
}

static int order(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : 1;
}

static unsigned long sorts(unsigned long x)
{
	int v[200];

	for (int i = 0; i < 200; i++)
		v[i] = (int)(x = MIX(x));
	qsort(v, 200, sizeof(v[0]), order);
	for (int i = 0; i < 200; i++)
		x = x * 31 + (unsigned int)v[i];
	return x;
}

static unsigned long jumps_out(unsigned long x)
{
	volatile unsigned long y = x;
	volatile int i = 0;
	jmp_buf back;

	while (i < 300) {
		if (setjmp(back) == 0) {
			y = MIX(y);
			longjmp(back, 1);
		}
		i++;
	}
	return y;
}

static unsigned long heap(unsigned long x)
{
	void *slot[16] = { NULL };

	for (int i = 0; i < 500; i++) {
		x = MIX(x);
		free(slot[x % 16]);
		slot[x % 16] = calloc(1, 16 + (x >> 20) % 5000);
		x += *(unsigned char *)slot[x % 16 == 16 ? 0 : (x % 16)] * 0 +
		     1;
	}
	for (int i = 0; i < 16; i++)
		free(slot[i]);
	return x;
}

/* --- the signals --- */

static volatile int caught, faulted;
static sigjmp_buf back;

static void on_fault(int signo)
{
	siglongjmp(back, signo);
}

static void on_alarm(int signo)
{
	int saved = errno;
	volatile double d = caught;

	(void)signo;
	caught++;
	errno = 99;
	d = sqrt(d) + (double)plain_loop(3);
	if (caught % 16 == 0 && sigsetjmp(back, 1) == 0)
		*(volatile char *)(long)(caught % 2) = 1;
	else if (caught % 16 == 0)
		faulted++;
	errno = saved;
}

static const struct {
	const char *name;
	kind *run;
} kinds[] = {
	{ "plain_loop", plain_loop }, { "recursion", recursion },
	{ "pointers", pointers },     { "strings", strings },
	{ "floats", floats },	      { "divisions", divisions },
	{ "carries", carries },	      { "calls", calls },
	{ "vectors", vectors },	      { "sorts", sorts },
	{ "jumps_out", jumps_out },   { "heap", heap },
};

static void interrupted(size_t i, unsigned long want)
{
	int before = caught;

	tr_start_often();
	for (int n = 0; n < 100 || caught < before + 30; n++)
		if (!EXPECT(kinds[i].run(5), want))
			break;
	tr_stop_often();
}

static void checksums(void)
{
	struct sigaction act = { .sa_handler = on_alarm,
				 .sa_flags = SA_RESTART };

	signal(SIGSEGV, on_fault);
	sigaction(SIGALRM, &act, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned long want = kinds[i].run(5);

		say("%s %#lx", kinds[i].name, want);
		interrupted(i, want);
	}
	CHECK(faulted > 0);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "checksums", checksums },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
