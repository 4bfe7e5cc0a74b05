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

struct jit {
	char *path;
	off_t read; /* up to there */
	struct names names;
	struct jit_symbol *all; /* by place; none overlap */
	size_t n, cap;
};

/* The first that ends behind the address. */
static size_t first_behind(const struct jit *j, uint64_t addr)
{
	return SEARCH_FIRST(j->n, i, j->all[i].end > addr);
}

/* It takes the place of what was there before. */
static void add(struct jit *j, const struct jit_symbol *s)
{
	size_t at = first_behind(j, s->begin), behind = at;

	while (behind < j->n && j->all[behind].begin < s->end)
		behind++;
	if (j->n == j->cap) {
		j->cap = 2 * j->cap + 256;
		j->all = xrealloc(j->all, j->cap * sizeof(*j->all));
	}
	memmove(&j->all[at + 1], &j->all[behind],
		(j->n - behind) * sizeof(*j->all));
	j->n += 1 - (behind - at);
	j->all[at] = *s;
}

static void take_line(struct jit *j, char *line)
{
	struct jit_symbol s = { 0 };
	uint64_t size;
	uint32_t id;
	int name = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNx64 " %" SCNx64 " %n", &s.begin, &size,
		   &name) != 2 ||
	    !name || !line[name] || !size || s.begin + size < s.begin)
		return;
	s.end = s.begin + size;
	id = names_id(&j->names, line + name);
	s.name = j->names.all[id];
	add(j, &s);
}

static void read_on(struct jit *j, FILE *f)
{
	char line[LINE_MAX_BYTES];

	if (fseeko(f, j->read, SEEK_SET) < 0)
		return;
	while (fgets(line, sizeof(line), f)) {
		/* Who writes it may be in the middle of a line. */
		if (!strchr(line, '\n') && strlen(line) + 1 < sizeof(line))
			return;
		j->read = ftello(f);
		take_line(j, line);
	}
}

static void look(struct jit *j)
{
	struct stat st;
	FILE *f;
	int fd;

	if (stat(j->path, &st) < 0 || st.st_size <= j->read)
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
