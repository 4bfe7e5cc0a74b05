#include "trace/jit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/search.h"
#include "trace/names.h"

#define LINE_MAX_BYTES 4096
#define LAST_MAX       64

struct jit {
	char *path;
	struct stat seen;    /* the file, when it was looked at last */
	off_t read;	     /* up to there */
	char last[LAST_MAX]; /* what stood before that: each byte where its
			      * place in the file has it, round and round */
	struct names names;
	struct jit_symbol *all; /* by place; none overlap */
	size_t n, cap;
};

/* The first that ends behind the address. */
static size_t first_behind(const struct jit *j, uint64_t addr)
{
	return SEARCH_FIRST(j->n, i, j->all[i].end > addr);
}

static bool is_same(const struct jit_symbol *a, const struct jit_symbol *b)
{
	return a->begin == b->begin && a->end == b->end && a->name == b->name;
}

/* It takes the place of what was there before. */
static void add(struct jit *j, const struct jit_symbol *s)
{
	size_t at = first_behind(j, s->begin), behind = at;

	if (at < j->n && is_same(&j->all[at], s))
		return;
	while (behind < j->n && j->all[behind].begin < s->end)
		behind++;
	GROW(j->all, j->n, j->cap, 256);
	memmove(&j->all[at + 1], &j->all[behind],
		(j->n - behind) * sizeof(*j->all));
	j->n += 1 - (behind - at);
	j->all[at] = *s;
}

static void take_line(struct jit *j, const char *line)
{
	struct jit_symbol s = { 0 };
	uint64_t size;
	uint32_t id;
	int name = 0;

	if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &s.begin, &size,
		   &name) != 2 ||
	    !name || !line[name] || !size || s.begin + size < s.begin)
		return;
	s.end = s.begin + size;
	id = names_id(&j->names, line + name);
	s.name = j->names.all[id];
	add(j, &s);
}

/*
 * One line, or as much as there is room for; false: its end is yet to come. A
 * writer that goes on behind the end of a file that was cut leaves zeros before
 * its line. It begins at that place of the file; last: see struct jit.
 */
static bool read_line(FILE *f, off_t at, char line[LINE_MAX_BYTES],
		      char last[LAST_MAX])
{
	size_t n = 0;
	int c = 0;

	while (c != '\n' && (c = getc_unlocked(f)) != EOF) {
		last[at++ % LAST_MAX] = (char)c;
		if ((c || n) && c != '\n' && n + 1 < LINE_MAX_BYTES)
			line[n++] = (char)c;
	}
	line[n] = '\0';
	return c == '\n';
}

/* Not the file that was read, or not what was in it: some write it all anew
 * each time (jcmd Compiler.perfmap). */
static bool is_anew(const struct jit *j, int fd)
{
	char now[LAST_MAX];
	ssize_t n = j->read < LAST_MAX ? j->read : LAST_MAX;
	off_t at = j->read - n;

	if (pread(fd, now, (size_t)n, at) != n)
		return true;
	for (ssize_t i = 0; i < n; i++) {
		if (now[i] != j->last[(at + i) % LAST_MAX])
			return true;
	}
	return false;
}

static void read_on(struct jit *j, FILE *f)
{
	char line[LINE_MAX_BYTES], last[LAST_MAX];

	if (is_anew(j, fileno(f)))
		j->read = 0;
	if (fseeko(f, j->read, SEEK_SET) < 0)
		return;
	memcpy(last, j->last, sizeof(last));
	/* Of what was read, not of what is there by now. */
	while (read_line(f, j->read, line, last)) {
		j->read = ftello(f);
		memcpy(j->last, last, sizeof(last));
		take_line(j, line);
	}
}

static bool was_seen(const struct jit *j, const struct stat *st)
{
	const struct stat *seen = &j->seen;

	return st->st_dev == seen->st_dev && st->st_ino == seen->st_ino &&
	       st->st_size == seen->st_size &&
	       st->st_mtim.tv_sec == seen->st_mtim.tv_sec &&
	       st->st_mtim.tv_nsec == seen->st_mtim.tv_nsec;
}

static void look(struct jit *j)
{
	struct stat st;
	FILE *f;
	int fd;

	if (stat(j->path, &st) < 0 || was_seen(j, &st))
		return;
	fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	f = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
			    (st.st_uid == geteuid() || !st.st_uid)
		    ? fdopen(fd, "r")
		    : NULL;
	if (!f) {
		close(fd);
		return;
	}
	j->seen = st;
	read_on(j, f);
	fclose(f);
}

struct jit_symbol *jit_find(struct jit **jit, pid_t pid, uint64_t addr)
{
	struct jit *j = *jit;
	size_t at;

	if (!j) {
		j = *jit = xcalloc(1, sizeof(*j));
		j->path = xasprintf("/tmp/perf-%d.map", pid);
	}
	look(j);
	at = first_behind(j, addr);
	return at < j->n && j->all[at].begin <= addr ? &j->all[at] : NULL;
}

void jit_free(struct jit *j)
{
	if (!j)
		return;
	names_fini(&j->names);
	free(j->path);
	free(j->all);
	free(j);
}
