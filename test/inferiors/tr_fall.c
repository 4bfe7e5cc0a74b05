/* tr_fall: code that changes once, where control falls into the change or
 * returns to it, and runs often before and behind. */
#include <string.h>

#include "tr_code.h"

#define TURNS 50000

typedef int turns_fn(int turns, int from);

/* 1: dec %edi; js 2f; add $1, %esi; jmp 1b; 2: mov %esi, %eax; ret */
static const unsigned char falls[] = {
	0xff, 0xcf, 0x78, 0x05, 0x83, 0xc6, 0x01, 0xeb, 0xf7, 0x89, 0xf0, 0xc3
};

/* 1: call 2f; add $1, %esi; dec %edi; jns 1b; mov %esi, %eax; ret; 2: ret */
static const unsigned char returns[] = { 0xe8, 0x0a, 0,	   0,	 0,    0x83,
					 0xc6, 0x01, 0xff, 0xcf, 0x79, 0xf4,
					 0x89, 0xf0, 0xc3, 0xc3 };

static void change(const char *what, unsigned char *at,
		   const unsigned char *code, size_t len, unsigned changed)
{
	turns_fn *fn;
	int before;

	memcpy(at, code, len);
	memcpy(&fn, &at, sizeof(fn));
	before = fn(TURNS, 0);
	at[changed] = 2;
	printf("%s %d %d\n", what, before, fn(TURNS, 0));
}

int main(void)
{
	unsigned char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	change("falls", p, falls, sizeof(falls), 6);
	change("returns", p + 512, returns, sizeof(returns), 7);
	return 0;
}
