/* maps: `edge' points at two readable pages before a hole, filled with a
 * pattern; `words' at a string inside; then ready() and the end. */
#include <string.h>
#include <sys/mman.h>

unsigned char *edge;
char *words;
unsigned char *secret; /* mapped without any right */

__attribute__((noinline)) void ready(void)
{
	words[0] = 'N';
}

int main(void)
{
	edge = mmap((void *)0x10000000, 4 * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (edge == MAP_FAILED)
		return 1;
	for (int i = 0; i < 8192; i++)
		edge[i] = (unsigned char)(i * 7);
	words = (char *)edge + 4090;
	strcpy(words, "needle in a page");
	munmap(edge + 8192, 4096);
	secret = edge + 3 * 4096;
	mprotect(secret, 4096, PROT_NONE);
	ready();
	return 0;
}
