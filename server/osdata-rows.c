#include "server/osdata-rows.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* The bytes of one character that may stand in an XML document, or 0. */
static size_t char_length(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = { { 0xe0, 0xc0, 0x80 },
		      { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };
	uint32_t c;

	if (*s < 0x80)
		return *s >= ' ' ? *s != 0x7f : *s == '\t' || *s == '\n';
	for (size_t n = 0; n < ARRAY_SIZE(forms); n++) {
		if ((*s & forms[n].mask) != forms[n].lead)
			continue;
		c = *s & ~forms[n].mask;
		for (size_t i = 1; i <= n + 1; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (s[i] & 0x3f);
		}
		if (c < forms[n].least || c > 0x10ffff ||
		    (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff)
			return 0;
		return n + 2;
	}
	return 0;
}

static void put_clean(struct buf *b, const char *text)
{
	size_t n, start;

	while (isspace((unsigned char)*text))
		text++;
	start = b->len;
	while (*text) {
		n = char_length((const unsigned char *)text);
		if (n)
			buf_put(b, text, n);
		else
			buf_putc(b, '?');
		text += n ? n : 1;
	}
	while (b->len > start && isspace((unsigned char)b->data[b->len - 1]))
		b->len--;
	buf_putc(b, 0);
}

/* Grows by doubling, at the powers of two. */
static void put_at(struct osdata_table *t, const char *text)
{
	size_t n = t->n_columns + t->n_cells;

	if (!(n & (n - 1)))
		t->at = xrealloc(t->at, (n ? 2 * n : 1) * sizeof(*t->at));
	t->at[n] = t->text.len;
	put_clean(&t->text, text);
}

void osdata_put_column(struct osdata_table *t, const char *name)
{
	put_at(t, name);
	t->n_columns++;
}

void osdata_put_columns(struct osdata_table *t, const char *names)
{
	for (; *names; names += strlen(names) + 1)
		osdata_put_column(t, names);
}

void osdata_put(struct osdata_table *t, const char *text)
{
	put_at(t, text);
	t->n_cells++;
}

void osdata_putf(struct osdata_table *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	osdata_put(t, text);
}

void osdata_put_user(struct osdata_table *t, uid_t uid)
{
	struct passwd pw, *found = NULL;
	char space[4096];

	getpwuid_r(uid, &pw, space, sizeof(space), &found);
	if (found)
		osdata_put(t, found->pw_name);
	else
		osdata_putf(t, "%u", uid);
}

void osdata_put_group(struct osdata_table *t, gid_t gid)
{
	struct group gr, *found = NULL;
	char space[16384];

	getgrgid_r(gid, &gr, space, sizeof(space), &found);
	if (found)
		osdata_put(t, found->gr_name);
	else
		osdata_putf(t, "%u", gid);
}

/* A name may hold blanks and parentheses: it goes to the last one. */
void osdata_command(char out[OSDATA_COMMAND_SIZE], pid_t pid)
{
	struct buf stat = { 0 };
	const char *open, *close;

	snprintf(out, OSDATA_COMMAND_SIZE, "%d", (int)pid);
	if (file_read(&stat, 4096, "/proc/%d/stat", (int)pid) > 0) {
		open = strchr(stat.data, '(');
		close = strrchr(stat.data, ')');
		if (open && close && open < close)
			snprintf(out, OSDATA_COMMAND_SIZE, "%.*s",
				 (int)(close - open - 1), open + 1);
	}
	buf_fini(&stat);
}

void osdata_put_command(struct osdata_table *t, pid_t pid)
{
	char name[OSDATA_COMMAND_SIZE];

	osdata_command(name, pid);
	osdata_put(t, name);
}

ssize_t osdata_list_numbers(const char *dir, int **out)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int *list = NULL;
	size_t n = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		if (!(n & (n - 1)))
			list = xrealloc(list, (n ? 2 * n : 1) * sizeof(*list));
		list[n++] = atoi(e->d_name);
	}
	closedir(d);
	*out = list;
	return n;
}

/* Field 39 of proc(5)'s stat; the one after the name is field 3. */
int osdata_thread_core(pid_t pid, pid_t tid)
{
	struct buf stat = { 0 };
	const char *p;
	int core = -1;

	if (file_read(&stat, 4096, "/proc/%d/task/%d/stat", (int)pid,
		      (int)tid) > 0) {
		p = strrchr(stat.data, ')');
		for (int field = 2; p && field < 39; field++)
			p = strchr(p + 1, ' ');
		if (p)
			core = atoi(p);
	}
	buf_fini(&stat);
	return core;
}
