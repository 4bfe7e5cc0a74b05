/* tr_dlopen: two libraries loaded and unloaded by turns, mostly at the same
 * address: what one left must not be run for the other. Also lazily bound
 * calls, RTLD_NEXT, and a library open while others come and go. */
#include "tr.h"
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>

static char path[2][PATH_MAX];

static int compute(void *lib, int n)
{
	int (*f)(int) = (int (*)(int))dlsym(lib, "compute");

	return f ? f(n) : -1;
}

static void by_turns(void)
{
	long sum = 0, same = 0;
	void *last = NULL;

	for (int i = 0; i < 200; i++) {
		void *lib = dlopen(path[i & 1], i & 2 ? RTLD_NOW : RTLD_LAZY);

		if (!CHECK(lib))
			return;
		same += last == dlsym(lib, "compute");
		last = dlsym(lib, "compute");
		sum = sum * 31 + compute(lib, 100 + i);
		EXPECT(dlclose(lib), 0);
	}
	CHECK(same > 50);
	say("%#lx", sum);
}

static void together(void)
{
	void *one = dlopen(path[0], RTLD_NOW | RTLD_LOCAL);

	for (int i = 0; i < 50; i++) {
		void *two = dlopen(path[1], RTLD_NOW | RTLD_LOCAL);

		say("%d %d", compute(one, i), compute(two, i));
		EXPECT(dlclose(two), 0);
		CHECK(dlsym(RTLD_DEFAULT, "compute") == NULL);
	}
	EXPECT(dlclose(one), 0);
}

static void missing(void)
{
	for (int i = 0; i < 20; i++) {
		CHECK(dlopen("/no/such/library.so", RTLD_NOW) == NULL);
		CHECK(dlerror() != NULL);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "by_turns", by_turns },
		{ "together", together },
		{ "missing", missing },
	};
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	for (int i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "%.4000s/tr_lib%d.so",
			 dirname(strdup(self)), i + 1);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
