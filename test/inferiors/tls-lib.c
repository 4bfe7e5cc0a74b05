/*
 * A library with thread-locals of its own, for tls.c: hidden ones, so that
 * two such libraries in one program do not share them.
 */
#define HIDDEN __attribute__((visibility("hidden")))

int *lib_touch(void);

HIDDEN __thread long lib_pad[3] = { 1, 2, 3 };
HIDDEN __thread int lib_var = 7;

int *lib_touch(void)
{
	lib_pad[0]++;
	return &lib_var;
}
