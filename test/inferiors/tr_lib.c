/* tr_lib: two libraries made of one source, of the same size, with other code
 * behind the same names; tr_dlopen loads them by turns. */

#ifndef WHICH
#define WHICH 1
#endif

static int made;

__attribute__((constructor)) static void make(void)
{
	made = WHICH * 1000;
}

__attribute__((noinline, aligned(64))) int tr_lib_step(int x)
{
#if WHICH == 1
	return x * 3 + 1;
#else
	return x * 5 - 2;
#endif
}

__attribute__((aligned(64))) int compute(int n)
{
	int x = made;

	while (n--)
		x = tr_lib_step(x) & 0xffff;
	return x;
}
