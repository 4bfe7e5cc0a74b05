/* tr_self: what a program sees of itself. Its code is what its file has, the
 * stack holds addresses of its own code only, and /proc tells of nothing but
 * it (mappings without a name of a file aside). */
#include "tr.h"
#include <dirent.h>
#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/stat.h>

#define MODULES 16

struct text {
	char name[256];
	uintptr_t start, end, offset;
};

static struct text texts[MODULES];
static int n_texts;
int main(int argc, char **argv);
extern char **environ;

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The executable mappings of files and of the vdso. */
static void read_texts(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	n_texts = 0;
	while (f && fgets(line, sizeof(line), f) && n_texts < MODULES) {
		struct text *t = &texts[n_texts];
		char perm[8];

		t->name[0] = 0;
		sscanf(line, "%lx-%lx %7s %lx %*s %*s %255s", &t->start,
		       &t->end, perm, &t->offset, t->name);
		if (perm[2] == 'x' && t->name[0])
			n_texts++;
	}
	if (f)
		fclose(f);
}

static int in_text(uintptr_t at)
{
	for (int i = 0; i < n_texts; i++)
		if (at >= texts[i].start && at < texts[i].end)
			return 1;
	return 0;
}

static unsigned long sum_of(const unsigned char *at, size_t n)
{
	unsigned long sum = 0xcbf29ce484222325;

	while (n--)
		sum = (sum ^ *at++) * 0x100000001b3;
	return sum;
}

/* Code in memory is code of the file, now and when it has run. */
static void checksum(void)
{
	read_texts();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < n_texts; i++) {
			struct text *t = &texts[i];
			size_t size = t->end - t->start;
			int fd = open(t->name, O_RDONLY);
			unsigned char *copy = calloc(1, size);

			if (fd < 0 ||
			    pread(fd, copy, size, (off_t)t->offset) <= 0) {
				free(copy);
				continue;
			}
			EXPECT(sum_of((void *)t->start, size),
			       sum_of(copy, size));
			if (round == 0)
				say("code of %s is that of its file",
				    base_name(t->name));
			free(copy);
			close(fd);
		}
	}
}

/* --- return addresses --- */

static long from_main(void *at)
{
	return (char *)at - (char *)main;
}

__attribute__((noinline)) static void look_up(int depth)
{
	unsigned char *back = __builtin_return_address(0);
	void ***frame = __builtin_frame_address(0);

	if (depth > 0) {
		look_up(depth - 1);
		return;
	}
	say("called from main%+ld, opcode %#x, %#x follows", from_main(back),
	    back[-5], back[0]);
	say("and that from main%+ld", from_main(frame[0][1]));
}

/* No word of the stack points to executable memory that is no file's. */
__attribute__((noinline)) static void scan_stack(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	uintptr_t *from = __builtin_frame_address(0), *end = NULL;
	uintptr_t anonymous[64][2];
	int n = 0, bad = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		uintptr_t a, b;
		char perm[8], name[256] = "";

		sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &a, &b, perm,
		       name);
		if ((uintptr_t)from >= a && (uintptr_t)from < b)
			end = (uintptr_t *)b;
		if (perm[2] == 'x' && (name[0] != '/' && name[0] != '[') &&
		    n < 64) {
			anonymous[n][0] = a;
			anonymous[n++][1] = b;
		}
	}
	if (f)
		fclose(f);
	for (uintptr_t *at = from - 16; at < end; at++)
		for (int i = 0; i < n; i++)
			bad += *at >= anonymous[i][0] && *at < anonymous[i][1];
	EXPECT(bad, 0);
}

static void returns(void)
{
	read_texts();
	for (int i = 0; i < 3; i++)
		look_up(i);
	scan_stack();
	for (int i = 0; i < 3; i++)
		scan_stack();
}

__attribute__((noinline)) static void walk(int depth)
{
	void *frame[32];
	int n;

	if (depth > 0) {
		walk(depth - 1);
		return;
	}
	n = backtrace(frame, 32);
	say("%d frames", n);
	for (int i = 0; i < n; i++) {
		CHECK(in_text((uintptr_t)frame[i]));
		if (i < n - 3)
			say("frame %d at main%+ld", i, from_main(frame[i]));
	}
}

static void trace(void)
{
	read_texts();
	walk(5);
	read_texts(); /* backtrace has loaded a library */
	walk(3);
}

static int one_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	int *n = arg;

	(void)size;
	++*n;
	say("%s: %d headers", base_name(info->dlpi_name), info->dlpi_phnum);
	return 0;
}

static void modules(void)
{
	int n = 0;

	dl_iterate_phdr(one_module, &n);
	say("%d modules, entry main%+ld", n,
	    (long)getauxval(AT_ENTRY) - (long)main);
}

/* --- /proc --- */

static void mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long start, end, offset;
		char perm[8], name[256] = "";

		sscanf(line, "%lx-%lx %7s %lx %*s %*s %255s", &start, &end,
		       perm, &offset, name);
		EXPECT(perm[1] == 'w' && perm[2] == 'x', 0);
		if (name[0] == '/' && !strstr(name, "memfd"))
			say("%s %lx at %lx of %s", perm, end - start, offset,
			    base_name(name));
		else if (strcmp(name, "[stack]") == 0 ||
			 strcmp(name, "[vdso]") == 0)
			say("%s %s", perm, name);
	}
	if (f)
		fclose(f);
}

static void status(void)
{
	static const char *const wanted[] = {
		"Name:",   "Threads:", "SigPnd:",    "SigBlk:",
		"SigIgn:", "SigCgt:",  "NoNewPrivs:"
	};
	FILE *f = fopen("/proc/self/status", "r");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
				say("%.*s", (int)strcspn(line, "\n"), line);
	if (f)
		fclose(f);
}

static void surroundings(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	int fds = 0, vars = 0;
	cpu_set_t cpus;

	while (dir && (e = readdir(dir)))
		fds += e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir);
	if (dir)
		closedir(dir);
	while (environ[vars])
		vars++;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	say("%d descriptors, %d variables, %d processors, personality %#x", fds,
	    vars, CPU_COUNT(&cpus), personality(0xffffffff));
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "checksum", checksum },
		{ "returns", returns },
		{ "trace", trace },
		{ "modules", modules },
		{ "mappings", mappings },
		{ "status", status },
		{ "surroundings", surroundings },
		{ "checksum", checksum },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
