/* Lines as they are asked for, and as libdw has them (trace/lines.h); and of
 * files whose tables are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "trace/lazy.h"
#include "trace/line-tables.h"
#include "trace/lines.h"
#include "trace/symbols.h"
#include "test/unit/debuggee.h"

#define OWN "/proc/self/exe"

struct both {
	const struct elfutils *u;
	struct lines *asked;
	uint64_t excess; /* of libdw's addresses */
	size_t n;
};

/* A row that covers something. */
static void compare_row(struct both *b, Dwarf_Line *line, uint64_t bias)
{
	const char *source = b->u->dwarf_linesrc(line, NULL, NULL);
	const struct line_row *row;
	Dwarf_Addr addr;
	bool statement;
	int number;

	b->u->dwarf_lineaddr(line, &addr);
	b->u->dwarf_lineno(line, &number);
	b->u->dwarf_linebeginstatement(line, &statement);
	row = lines_find(b->asked, addr + bias - b->excess);
	assert_non_null(row);
	assert_int_equal(row->begin, addr + bias - b->excess);
	assert_int_equal(row->line, number);
	assert_int_equal(row->statement, statement);
	assert_string_equal(lines_file(b->asked, row->file), source);
	b->n++;
}

/* Behind the end of a sequence there is nothing, unless another begins. */
static void compare_end(struct both *b, uint64_t addr, uint64_t bias)
{
	const struct line_row *row =
		lines_find(b->asked, addr + bias - b->excess);

	assert_true(!row || row->begin == addr + bias - b->excess);
}

/* Rows at the end of a sequence cover nothing; libdw has them behind it. */
static void compare_unit(struct both *b, Dwarf_Lines *rows, size_t n,
			 uint64_t bias)
{
	Dwarf_Addr addr, next, last_end = UINT64_MAX;

	for (size_t i = 0; i + 1 < n; i++) {
		Dwarf_Line *line = b->u->dwarf_onesrcline(rows, i);
		bool end;

		b->u->dwarf_lineaddr(line, &addr);
		b->u->dwarf_lineaddr(b->u->dwarf_onesrcline(rows, i + 1),
				     &next);
		b->u->dwarf_lineendsequence(line, &end);
		if (end) {
			compare_end(b, addr, bias);
			last_end = addr;
		} else if (addr != next && addr != last_end) {
			compare_row(b, line, bias);
		}
	}
}

static size_t compare(const char *path)
{
	struct symbols *s = symbols_new(path, 0);
	struct both b = { .u = elfutils(), .asked = lines_new(s) };
	Dwfl_Module *m = symbols_module(s, &b.excess);
	Dwarf_Die *cu = NULL;
	Dwarf_Addr bias;
	Dwarf_Lines *rows;
	size_t n;

	while (m && (cu = b.u->dwfl_module_nextcu(m, cu, &bias))) {
		if (!b.u->dwarf_getsrclines(cu, &rows, &n))
			compare_unit(&b, rows, n, bias);
	}
	lines_free(b.asked);
	symbols_free(s);
	return b.n;
}

static void need_elfutils(void)
{
	if (!elfutils())
		skip();
}

static void asked(void **state)
{
	(void)state;
	need_elfutils();
	assert_true(compare(OWN) > 100);
	compare("/lib/x86_64-linux-gnu/libc.so.6");
	assert_int_equal(compare("/nonexistent"), 0);
}

/* What covers nothing is none of all, either: they answer as single ones do. */
static void compare_found(struct lines *all, struct lines *asked, uint64_t at)
{
	const struct line_row *a = lines_find(all, at);
	const struct line_row *b = lines_find(asked, at);

	assert_true(!a == !b);
	if (!a)
		return;
	assert_true(a->begin == b->begin && a->line == b->line);
	assert_string_equal(lines_file(all, a->file),
			    lines_file(asked, b->file));
}

/* All of them are the same before and after single ones were asked for. */
static void all(void **state)
{
	struct symbols *s;
	struct lines *l[2];
	const struct line_row *rows[2];
	size_t n[2];

	(void)state;
	need_elfutils();
	s = symbols_new(OWN, 0);
	for (unsigned i = 0; i < 2; i++)
		l[i] = lines_new(s);
	rows[0] = lines_all(l[0], &n[0]);
	for (size_t i = 0; i < n[0]; i++)
		compare_found(l[0], l[1], rows[0][i].begin);
	rows[1] = lines_all(l[1], &n[1]);
	assert_true(n[0] > 100 && n[0] == n[1]);
	for (size_t i = 0; i < n[0]; i++) {
		const struct line_row *a = &rows[0][i], *b = &rows[1][i];

		assert_true(a->begin == b->begin && a->line == b->line);
		assert_true(!a->file == !b->file);
		if (a->file)
			assert_string_equal(lines_file(l[0], a->file),
					    lines_file(l[1], b->file));
	}
	for (unsigned i = 0; i < 2; i++)
		lines_free(l[i]);
	symbols_free(s);
}

/* How many of libdw's rows are of that line. */
static size_t rows_of_line(const struct symbols *s, int line)
{
	const struct elfutils *u = elfutils();
	Dwarf_Addr bias;
	Dwfl_Module *m = symbols_module(s, &bias);
	Dwarf_Die *cu = NULL;
	Dwarf_Lines *rows;
	size_t n, sum = 0;
	int number;

	while ((cu = u->dwfl_module_nextcu(m, cu, &bias))) {
		if (u->dwarf_getsrclines(cu, &rows, &n))
			continue;
		while (n--) {
			u->dwarf_lineno(u->dwarf_onesrcline(rows, n), &number);
			sum += number == line;
		}
	}
	return sum;
}

/* Where a function ends that control does not come to the end of: no row, of
 * tables that libdw reads as of others. */
static void ended(void **state)
{
	static const char *const names[] = { "ended", "ended-dwarf5" };

	(void)state;
	need_elfutils();
	for (unsigned i = 0; i < 2; i++) {
		char path[4096];
		const struct line_row *rows;
		struct symbols *s;
		struct lines *l;
		size_t n, others = 0;

		if (!debuggee_exists(names[i]))
			skip();
		debuggee_path(path, sizeof(path), names[i]);
		s = symbols_new(path, 0);
		l = lines_new(s);
		rows = lines_all(l, &n);
		assert_true(rows_of_line(s, 600) > 0);
		for (size_t k = 0; k < n; k++) {
			assert_int_not_equal(rows[k].line, 600);
			others += rows[k].line == 700;
		}
		assert_true(others > 0);
		lines_free(l);
		symbols_free(s);
	}
}

/* --- damage --------------------------------------------------------------- */

static void count_step(void *user, const struct line_step *s)
{
	(void)s;
	++*(size_t *)user;
}

static void read_damaged(const char *path, uint64_t vaddr)
{
	struct line_tables *t = line_tables_new(path, vaddr);
	const struct line_sequence *all;
	size_t n = 0, steps = 0;

	if (!t)
		return;
	all = line_tables_all(t, &n);
	for (size_t i = 0; i < n; i += n / 8 + 1) {
		line_sequence_each(&all[i], count_step, &steps);
		line_sequence_file(&all[i], (uint32_t)i);
	}
	line_tables_free(t);
}

/* Where a section lies in the file. */
static void find_section(const char *file, const char *name, size_t *at,
			 size_t *size)
{
	const Elf64_Ehdr *eh = (const void *)file;
	const Elf64_Shdr *sh = (const void *)(file + eh->e_shoff);
	const char *names = file + sh[eh->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < eh->e_shnum; i++) {
		if (strcmp(names + sh[i].sh_name, name))
			continue;
		*at = sh[i].sh_offset;
		*size = sh[i].sh_size;
	}
}

static void damaged(void **state)
{
	char path[] = "/tmp/tracestub-lines-XXXXXX";
	struct buf file = { 0 };
	size_t at = 0, size = 0;
	uint32_t seed = 1;
	int fd;

	(void)state;
	need_elfutils();
	assert_true(file_read(&file, SIZE_MAX / 2, OWN) > 0);
	find_section(file.data, ".debug_line", &at, &size);
	assert_true(size > 1000);
	fd = mkstemp(path);
	assert_int_equal(write(fd, file.data, file.len), file.len);
	for (unsigned n = 0; n < 500; n++) {
		uint8_t byte = (uint8_t)(seed >> 8);
		size_t place;

		seed = seed * 1103515245 + 12345;
		/* Mostly in a header. */
		place = (seed >> 8) % (n % 4 ? 400 : size);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)(at + place)), 1);
		read_damaged(path, 0);
		assert_int_equal(pwrite(fd, file.data + at + place, 1,
					(off_t)(at + place)),
				 1);
	}
	close(fd);
	unlink(path);
	buf_fini(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked),
		cmocka_unit_test(all),
		cmocka_unit_test(ended),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
