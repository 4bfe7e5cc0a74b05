/* regs: known values into x87, SSE and AVX registers; `seen' is what came out
 * of them after stopping at the label regs_loaded. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct {
	uint8_t ymm0[32], xmm1[16];
	long double st0;
	unsigned long ax;
} seen;

static const uint8_t pattern[32] = { 0,	 1,  2,	 3,  4,	 5,  6,	 7,  8,	 9,  10,
				     11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
				     22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

__attribute__((noinline)) void stored(void)
{
	__asm__ volatile("nop");
}

__attribute__((noinline)) void load_and_store(void)
{
	__asm__ volatile("fninit\n\t"
			 "fldpi\n\t"
			 "vmovdqu %4, %%ymm0\n\t"
			 "vmovdqu %4, %%xmm1\n\t"
			 "mov $0x12345678, %%eax\n"
			 ".globl regs_loaded\n"
			 "regs_loaded:\n\t"
			 "nop\n\t"
			 "vmovdqu %%ymm0, %0\n\t"
			 "vmovdqu %%xmm1, %1\n\t"
			 "fstpt %2\n\t"
			 "mov %%eax, %3\n\t"
			 "vzeroupper"
			 : "=m"(seen.ymm0), "=m"(seen.xmm1), "=m"(seen.st0),
			   "=m"(seen.ax)
			 : "m"(pattern)
			 : "xmm0", "xmm1", "eax", "st");
}

int main(void)
{
	load_and_store();
	stored();
	printf("ymm0 %d %d xmm1 %d st0 %.3Lf ax %lx\n", seen.ymm0[0],
	       seen.ymm0[31], seen.xmm1[0], seen.st0, seen.ax);
	return 0;
}
