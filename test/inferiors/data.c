/* data: writes and reads variables of every width, for watchpoints. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct block {
	uint8_t b0, b1;
	uint16_t h;
	uint32_t w;
	uint64_t d;
	uint8_t bytes[32];
	uint8_t odd[7];
} __attribute__((aligned(64)));

struct block v;
volatile int sum;

__attribute__((noinline)) void begin(void)
{
	sum = 0;
}

__attribute__((noinline)) void write_all(int i)
{
	v.b0 = (uint8_t)i;
	v.b1 = (uint8_t)(i + 1);
	v.h = (uint16_t)(0x100 + i);
	v.w = 0x10000u + (uint32_t)i;
	v.d = 0x100000000u + (uint64_t)i;
	v.bytes[i] = (uint8_t)i;
	v.bytes[31 - i] = (uint8_t)(0x80 + i);
	v.odd[i] = (uint8_t)(0x40 + i);
}

__attribute__((noinline)) void read_all(void)
{
	sum += v.b0;
	sum += v.b1;
	sum += v.h;
	sum += (int)v.w;
	sum += v.odd[1];
}

__attribute__((noinline)) void end(void)
{
	sum++;
}

int main(void)
{
	begin();
	for (int i = 1; i < 4; i++) {
		write_all(i);
		read_all();
	}
	end();
	printf("sum %d\n", sum);
	return 0;
}
