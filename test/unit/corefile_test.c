/*
 * Core files as elf(5) and core(5) have them, of a process that is made up:
 * every other page of its memory is zeros, the others hold their number. With
 * more segments than the header can count it is readelf(1) that reads them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/corefile.h"

#define PAGE  UINT64_C(4096)
#define BEGIN UINT64_C(0x10000000)
#define END   UINT64_C(0x80000000)
#define MANY  70000

struct made_up {
	struct target t; /* first: the operations get its address */
	struct process *p;
	char dir[32], path[64];
};

static uint32_t number_at(uint64_t addr)
{
	return addr / PAGE % 2 ? (uint32_t)(addr / PAGE) : 0;
}

static ssize_t made_up_read(struct target *t, struct process *p, uint64_t addr,
			    void *buf, size_t len)
{
	uint32_t *to = buf;

	(void)t, (void)p;
	if (addr < BEGIN || addr >= END)
		return -EFAULT;
	for (size_t i = 0; i < len / 4; i++)
		to[i] = number_at(addr + 4 * i);
	return (ssize_t)(len & ~(size_t)3);
}

static const struct target_ops ops = {
	.name = "made up",
	.read_mem = made_up_read,
};

static const struct arch arches[] = { { .word = 4 }, { .word = 8 } };

static void made_up_init(struct made_up *m, const struct arch *a)
{
	target_init(&m->t, &ops);
	m->p = process_add(&m->t, 1, a);
	strcpy(m->dir, "/tmp/corefile.XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	snprintf(m->path, sizeof(m->path), "%s/core", m->dir);
}

/* Nothing but the core may be left. */
static void made_up_fini(struct made_up *m)
{
	unlink(m->path);
	assert_int_equal(rmdir(m->dir), 0);
	target_fini(&m->t);
}

static int64_t write_core(struct made_up *m,
			  const struct core_segment *segments, size_t n,
			  struct err *e)
{
	struct core_image c = {
		.p = m->p,
		.tid = -1,
		.machine = m->p->arch->word == 4 ? EM_386 : EM_X86_64,
		.segments = segments,
		.n = n,
	};
	int64_t r;

	buf_puts(&c.notes, "twelve bytes");
	r = corefile_write(&m->t, &c, m->path, e);
	buf_fini(&c.notes);
	return r;
}

static void check_page(int fd, uint64_t at, uint64_t addr)
{
	uint32_t page[PAGE / 4];

	assert_int_equal(pread(fd, page, PAGE, (off_t)at), PAGE);
	for (size_t i = 0; i < PAGE / 4; i++)
		assert_int_equal(page[i], number_at(addr));
}

static void memory_and_holes(void **state)
{
	const struct mapping text = { .flags = MAPPING_FILE | MAPPING_READ |
					       MAPPING_EXEC, .name = (char *)"" };
	/* The last one's end cannot be read. */
	const struct core_segment segments[] = {
		{ BEGIN, 600 * PAGE, 600 * PAGE, &text },
		{ BEGIN + 700 * PAGE, 9 * PAGE, PAGE, &text },
		{ BEGIN + 800 * PAGE, 9 * PAGE, 0, &text },
		{ END - 3 * PAGE, 9 * PAGE, 9 * PAGE, &text },
	};
	struct made_up m;
	Elf64_Ehdr h;
	Elf64_Phdr p;
	struct stat st;
	int fd;

	(void)state;
	made_up_init(&m, &arches[1]);
	assert_true(write_core(&m, segments, ARRAY_SIZE(segments), NULL) > 0);
	fd = open(m.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, &h, sizeof(h)), sizeof(h));
	assert_memory_equal(h.e_ident, ELFMAG, SELFMAG);
	assert_int_equal(h.e_type, ET_CORE);
	assert_int_equal(h.e_phnum, 5);
	for (size_t i = 0; i <= ARRAY_SIZE(segments); i++) {
		const struct core_segment *s = &segments[i ? i - 1 : 0];

		assert_int_equal(read(fd, &p, sizeof(p)), sizeof(p));
		assert_int_equal(p.p_type, i ? PT_LOAD : PT_NOTE);
		if (!i)
			continue;
		assert_int_equal(p.p_vaddr, s->addr);
		assert_int_equal(p.p_memsz, s->memsz);
		assert_int_equal(p.p_filesz, s->filesz);
		assert_int_equal(p.p_flags, PF_R | PF_X);
		assert_int_equal(p.p_offset % PAGE, 0);
		for (uint64_t o = 0; o < p.p_filesz && s->addr + o < END;
		     o += PAGE)
			check_page(fd, p.p_offset + o, s->addr + o);
	}
	fstat(fd, &st);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, p.p_offset + p.p_filesz);
	/* Half of it and the headers, in units of 512 bytes. */
	assert_true(st.st_blocks < 8 * 320);
	close(fd);
	made_up_fini(&m);
}

/* What it says, by which the lines are told. */
static size_t readelf_counts(const char *path, const char *option,
			     const char *line)
{
	char command[256], text[256];
	size_t n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "LC_ALL=C readelf -W %s %s 2>&1",
		 option, path);
	f = popen(command, "re");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		if (strstr(text, "rror") || strstr(text, "arning"))
			fail_msg("readelf: %s", text);
		n += !strncmp(text, line, strlen(line));
	}
	pclose(f);
	return n;
}

static void more_segments_than_a_header_counts(void **state)
{
	const struct mapping heap = { .flags = MAPPING_READ, .name = (char *)"" };
	struct core_segment *segments = xcalloc(MANY, sizeof(*segments));
	static const size_t counts[] = { 3, PN_XNUM - 2, PN_XNUM - 1, MANY };

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		segments[i] = (struct core_segment){ BEGIN + 2 * i * PAGE, PAGE,
						     i % 1000 ? 0 : PAGE,
						     &heap };
	for (size_t a = 0; a < ARRAY_SIZE(arches); a++) {
		for (size_t k = 0; k < ARRAY_SIZE(counts); k++) {
			struct made_up m;

			made_up_init(&m, &arches[a]);
			assert_true(write_core(&m, segments, counts[k],
					       NULL) > 0);
			assert_int_equal(readelf_counts(m.path, "-l",
							"  LOAD "),
					 counts[k]);
			made_up_fini(&m);
		}
	}
	free(segments);
}

/* Offsets of 32 bits end at 4 GiB. */
static void too_large_for_its_class(void **state)
{
	const struct mapping heap = { .flags = MAPPING_READ, .name = (char *)"" };
	const struct core_segment segments[] = {
		{ 0, UINT64_C(3) << 30, UINT64_C(3) << 30, &heap },
		{ END, UINT64_C(1) << 30, UINT64_C(1) << 30, &heap },
	};
	struct err e = { "" };
	struct made_up m;

	(void)state;
	made_up_init(&m, &arches[0]);
	assert_int_equal(write_core(&m, segments, 2, &e), -EFBIG);
	assert_non_null(strstr(e.text, m.path));
	made_up_fini(&m);
}

static void what_is_there_stays(void **state)
{
	const struct mapping heap = { .flags = MAPPING_READ, .name = (char *)"" };
	const struct core_segment s = { BEGIN, PAGE, PAGE, &heap };
	struct err e = { "" };
	struct made_up m;
	struct stat st;

	(void)state;
	made_up_init(&m, &arches[1]);
	assert_int_equal(mkfifo(m.path, 0600), 0);
	assert_int_equal(write_core(&m, &s, 1, &e), -EEXIST);
	assert_non_null(strstr(e.text, m.path));
	assert_int_equal(stat(m.path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	made_up_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_and_holes),
		cmocka_unit_test(more_segments_than_a_header_counts),
		cmocka_unit_test(too_large_for_its_class),
		cmocka_unit_test(what_is_there_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
