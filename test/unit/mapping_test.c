/* Which mappings a core holds: rows of smaps as Linux 6.18 wrote them, and
 * the kernel's rules (core(5), proc(5)). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/mapping.h"

#define ANON_PRIVATE 0x1u
#define ANON_SHARED  0x2u
#define FILE_PRIVATE 0x4u
#define FILE_SHARED  0x8u
#define ELF_HEADER   0x10u
#define HUGE_PRIVATE 0x20u
#define HUGE_SHARED  0x40u
#define ALL	     0x7fu

struct row {
	const char *what, *header, *anonymous, *swap, *flags;
	/* Bits of the filter that each make all of it part of a core; ALWAYS:
	 * without any. */
	unsigned wanted;
	bool elf; /* otherwise its first page, if it is an ELF file's */
	enum mapping_way way;
};

#define ALWAYS 0x80u

static const struct row rows[] = {
	{ "text", "5600085bb000-5600085bc000 r-xp 00001000 fe:00 5383021 "
		  "                   /tmp/c", "0", "0", "rd ex mr mw me",
	  FILE_PRIVATE, false, WAY_ALL },
	{ "first page of a file", "5600085ba000-5600085bb000 r--p 00000000 "
				  "fe:00 5383021 /tmp/c", "0", "0",
	  "rd mr mw me", FILE_PRIVATE, true, WAY_ALL },
	{ "text with a breakpoint", "5600085bb000-5600085bc000 r-xp 00001000 "
				    "fe:00 5383021 /tmp/c", "4", "0",
	  "rd ex mr mw me", ANON_PRIVATE | FILE_PRIVATE, false, WAY_ALL },
	{ "data in swap", "5600085be000-5600085bf000 rw-p 00003000 fe:00 "
			  "5383021 /tmp/c", "0", "8", "rd wr mr mw me ac",
	  ANON_PRIVATE | FILE_PRIVATE, false, WAY_ALL },
	{ "heap", "560011b36000-560011b57000 rw-p 00000000 00:00 0 [heap]",
	  "12", "0", "rd wr mr mw me ac", ANON_PRIVATE, false, WAY_PRESENT },
	{ "memory never touched", "7fcbfad1f000-7fcbfae1f000 rw-p 00000000 "
				  "00:00 0 ", "0", "0", "rd wr mr mw me ac",
	  ANON_PRIVATE, false, WAY_PRESENT },
	{ "a reservation", "7fcbfad1f000-7fcbfae1f000 ---p 00000000 00:00 0 ",
	  "0", "0", "mr mw me", 0, false, WAY_PRESENT },
	{ "a huge reservation", "100000000000-200000000000 rw-p 00000000 "
				"00:00 0 ", "0", "0", "rd wr mr mw me nr", 0,
	  false, WAY_PRESENT },
	{ "a huge one in use", "100000000000-200000000000 rw-p 00000000 00:00 "
			       "0 ", "4", "0", "rd wr mr mw me nr",
	  ANON_PRIVATE, false, WAY_PRESENT },
	{ "protected", "7fcbfad1f000-7fcbfae1f000 ---p 00000000 00:00 0 ",
	  "4", "0", "mr mw me ac", ANON_PRIVATE, false, WAY_PRESENT },
	{ "MADV_DONTDUMP", "7fcbfad1f000-7fcbfae1f000 rw-p 00000000 00:00 0 ",
	  "4", "0", "rd wr mr mw me dd ac", 0, false, WAY_PRESENT },
	{ "shared, anonymous", "7fcbfac1f000-7fcbfad1f000 rw-s 00000000 00:01 "
			       "1033 /dev/zero (deleted)", "0", "0",
	  "rd wr sh mr mw me ms", ANON_SHARED, false, WAY_DATA },
	{ "memfd", "7fcbfac1f000-7fcbfad1f000 rw-s 00000000 00:01 1034 "
		   "/memfd:x (deleted)", "0", "0", "rd wr sh mr mw me ms",
	  ANON_SHARED, false, WAY_DATA },
	{ "shared file", "7fcbfac1f000-7fcbfad1f000 rw-s 00000000 fe:00 77 "
			 "/tmp/file", "0", "0", "rd wr sh mr mw me ms",
	  FILE_SHARED, false, WAY_DATA },
	{ "shared, of a file opened for reading",
	  "7fcbfac1f000-7fcbfad1f000 r--s 00001000 fe:00 77 /tmp/file", "0",
	  "0", "rd mr me ms", FILE_PRIVATE, false, WAY_ALL },
	{ "huge pages", "7fcbfac00000-7fcbfae00000 rw-p 00000000 00:10 9 "
			"/anon_hugepage (deleted)", "0", "0",
	  "rd wr mr mw me de ht", HUGE_PRIVATE, false, WAY_PRESENT },
	{ "shared huge pages", "7fcbfac00000-7fcbfae00000 rw-s 00000000 00:10 "
			       "9 /anon_hugepage (deleted)", "0", "0",
	  "rd wr sh mr mw me ms de ht", HUGE_SHARED, false, WAY_DATA },
	{ "a device", "7fcbfac1f000-7fcbfad1f000 rw-s 00000000 00:06 5 "
		      "/dev/mem", "0", "0", "rd wr sh mr mw me ms io pf dd",
	  0, false, WAY_DATA },
	{ "registers", "7fcbfac1f000-7fcbfad1f000 rw-s 00000000 00:06 5 "
		       "/dev/mem", "0", "0", "rd wr sh mr mw me ms io pf", 0,
	  false, WAY_DATA },
	{ "vvar", "7ffff7fc2000-7ffff7fc6000 r--p 00000000 00:00 0 [vvar]",
	  "0", "0", "rd mr pf io de dd", 0, false, WAY_PRESENT },
	{ "vdso", "7ffff7fc8000-7ffff7fca000 r-xp 00000000 00:00 0 [vdso]",
	  "0", "0", "rd ex mr mw me de", ALWAYS, false, WAY_ALL },
	{ "vsyscall", "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 "
		      "0 [vsyscall]", "0", "0", "ex", ALWAYS, false,
	  WAY_ALL },
	{ "a name that is not the kernel's",
	  "7ffff7fc8000-7ffff7fca000 ---p 00000000 00:00 0 [anon:[vdso]]",
	  "0", "0", "mr mw me", 0, false, WAY_PRESENT },
	{ "userfaultfd", "7fcbfad1f000-7fcbfae1f000 rw-s 00000000 00:01 7 "
			 "/dev/zero (deleted)", "0", "0",
	  "rd wr sh mr mw me ms um", ANON_SHARED, false, WAY_PRESENT },
};

static void take(struct mappings *ms, const char *key, const char *value,
		 const char *unit)
{
	char line[256];

	snprintf(line, sizeof(line), "%-15s %8s%s\n", key, value, unit);
	assert_int_equal(mappings_take(ms, line), 0);
}

static void take_row(struct mappings *ms, const struct row *r)
{
	assert_int_equal(mappings_take(ms, r->header), 0);
	take(ms, "Size:", "4", " kB");
	take(ms, "Anonymous:", r->anonymous, " kB");
	take(ms, "AnonHugePages:", "2048", " kB");
	take(ms, "Swap:", r->swap, " kB");
	take(ms, "SwapPss:", "4", " kB");
	take(ms, "THPeligible:", "0", "");
	take(ms, "VmFlags:", r->flags, " ");
}

static void check_row(const struct row *r, const struct mapping *m)
{
	for (unsigned filter = 0; filter <= ALL; filter++) {
		bool all = filter & r->wanted || r->wanted == ALWAYS;
		enum mapping_part want =
			all ? PART_ALL :
			r->elf && filter & ELF_HEADER ? PART_ELF_HEADER :
							PART_NONE;

		if (mapping_part(m, filter) != want)
			fail_msg("%s, filter %#x: part %d and not %d", r->what,
				 filter, mapping_part(m, filter), want);
	}
	if (mapping_way(m) != r->way)
		fail_msg("%s: way %d", r->what, mapping_way(m));
}

static void the_kernels_choice(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mappings ms = { 0 };

		take_row(&ms, &rows[i]);
		assert_int_equal(ms.n, 1);
		check_row(&rows[i], &ms.all[0]);
		mappings_fini(&ms);
	}
}

static void fields(void **state)
{
	struct mappings ms = { 0 };

	(void)state;
	assert_int_equal(mappings_take(&ms, "a000-c000 rwxp 00012000 fe:01 99 "
					    "     /a b\\012c\n"), 0);
	assert_int_equal(ms.all[0].lo, 0xa000);
	assert_int_equal(ms.all[0].hi, 0xc000);
	assert_int_equal(ms.all[0].offset, 0x12000);
	assert_int_equal(ms.all[0].dev, 0xfe01);
	assert_int_equal(ms.all[0].inode, 99);
	assert_string_equal(ms.all[0].name, "/a b\nc");
	assert_int_equal(ms.all[0].flags, MAPPING_READ | MAPPING_WRITE |
						  MAPPING_EXEC | MAPPING_FILE);
	mappings_fini(&ms);
}

static void what_is_no_smaps(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"c000-d000",
		"c000-d000 r--p 0 0:0",
		"d000-c000 r--p 0 0:0 0",
		"c000-c000 r--p 0 0:0 0",
		"9000-b000 r--p 0 0:0 0", /* into the one before */
		"1000-2000 r--p 0 0:0 0", /* below it */
		"c000-d000 r-- 0 0:0 0",
		"no colon",
	};
	struct mappings ms = { 0 };

	(void)state;
	assert_int_equal(mappings_take(&ms, "Size: 4 kB"), -EPROTO);
	assert_int_equal(mappings_take(&ms, "a000-c000 r--p 0 0:0 0"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (mappings_take(&ms, bad[i]) != -EPROTO)
			fail_msg("'%s' was taken", bad[i]);
	}
	assert_int_equal(ms.n, 1);
	mappings_fini(&ms);
}

/* One that keeps still, which its maps list in other words. */
static void of_a_process(void **state)
{
	struct mappings ms = { 0 };
	pid_t child = fork();
	unsigned long lo;
	char line[1024];
	size_t i = 0;
	FILE *f;

	(void)state;
	while (!child)
		pause();
	snprintf(line, sizeof(line), "/proc/%d/maps", child);
	f = fopen(line, "re");
	assert_non_null(f);
	assert_int_equal(mappings_read(&ms, child), 0);
	for (; i < ms.n && fgets(line, sizeof(line), f); i++) {
		assert_int_equal(sscanf(line, "%lx", &lo), 1);
		assert_int_equal(ms.all[i].lo, lo);
	}
	assert_true(i > 10 && i == ms.n);
	fclose(f);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	mappings_fini(&ms);
	assert_int_equal(mappings_read(&ms, -5), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_choice),
		cmocka_unit_test(fields),
		cmocka_unit_test(what_is_no_smaps),
		cmocka_unit_test(of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
