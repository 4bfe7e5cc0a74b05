/* Writes small functions where they are to run. All return a number in eax. */
#ifndef TEST_INFERIORS_TR_CODE_H
#define TEST_INFERIORS_TR_CODE_H

#include "tr.h"
#include <sys/mman.h>

#define PAGE 4096ul
#define RWX  (PROT_READ | PROT_WRITE | PROT_EXEC)
#define RW   (PROT_READ | PROT_WRITE)
#define RX   (PROT_READ | PROT_EXEC)

typedef int code_function(void);

__unused static unsigned char *map_pages(size_t n, int prot)
{
	void *at =
		mmap(NULL, n * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* mov $value,%eax; ret: 6 bytes */
__unused static unsigned char *put_return(unsigned char *at, int value)
{
	at[0] = 0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = 0xc3;
	return at + 6;
}

/* The same with n instructions of 3 bytes before ret, each adding one. */
__unused static unsigned char *put_long(unsigned char *at, int value, int n)
{
	at[0] = 0xb8;
	value -= n;
	memcpy(at + 1, &value, 4);
	at += 5;
	while (n--) {
		memcpy(at, "\x83\xc0\x01", 3);
		at += 3;
	}
	*at++ = 0xc3;
	return at;
}

/* jmp or call to target, within 2 GiB: 5 bytes */
__unused static unsigned char *put_branch(unsigned char *at,
					  unsigned char opcode, void *target)
{
	int distance = (int)((unsigned char *)target - (at + 5));

	at[0] = opcode;
	memcpy(at + 1, &distance, 4);
	return at + 5;
}

__unused __attribute__((noinline)) static int call(void *at)
{
	return ((code_function *)at)();
}

#endif
