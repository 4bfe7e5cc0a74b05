#include "trace/events.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name;
	unsigned kind;
} kinds[] = {
	{ "call", EVENT_CALL },	      { "ret", EVENT_RET },
	{ "exec", EVENT_EXEC },	      { "block", EVENT_BLOCK },
	{ "compile", EVENT_COMPILE },
};

static unsigned kind_of(const char *name, size_t length)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == length &&
		    !memcmp(kinds[i].name, name, length))
			return kinds[i].kind;
	}
	return 0;
}

int events_parse(const char *list, unsigned *mask, struct err *e)
{
	for (;;) {
		size_t n = strcspn(list, ",");
		unsigned kind = kind_of(list, n);

		if (!kind)
			return err_set(e, -EINVAL,
				       "no event is called '%.*s'; there are "
				       "call, ret, exec, block and compile",
				       (int)n, list);
		*mask |= kind;
		if (!list[n])
			return 0;
		list += n + 1;
	}
}

/* --- lines: there are millions, and printf takes most of their time ------- */

static char *put_text(char *p, const char *text)
{
	while (*text)
		*p++ = *text++;
	return p;
}

static char *put_hex(char *p, uint64_t v)
{
	unsigned digits = 1;

	while (digits < 16 && v >> (4 * digits))
		digits++;
	while (digits--)
		*p++ = "0123456789abcdef"[v >> (4 * digits) & 15];
	return p;
}

static char *put_decimal(char *p, int64_t v)
{
	char digits[20];
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	unsigned n = 0;

	if (v < 0)
		*p++ = '-';
	do {
		digits[n++] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	while (n)
		*p++ = digits[--n];
	return p;
}

static const char *name_of(unsigned kind)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].kind == kind)
			return kinds[i].name;
	}
	return "?";
}

void events_write(void *file, struct ptid who,
		  const struct translate_event *all, size_t n)
{
	char line[128], *p;

	for (size_t i = 0; i < n; i++) {
		p = put_decimal(line, who.tid);
		*p++ = ' ';
		p = put_text(p, name_of(all[i].kind));
		*p++ = ' ';
		p = put_decimal(p, all[i].depth);
		p = put_text(p, " 0x");
		p = put_hex(p, all[i].from);
		p = put_text(p, " 0x");
		p = put_hex(p, all[i].to);
		*p++ = '\n';
		fwrite_unlocked(line, 1, (size_t)(p - line), file);
	}
}

/* --- modules ------------------------------------------------------------- */

struct writing {
	FILE *f;
	pid_t pid;
};

static void write_module(void *user, const struct translate_module *m)
{
	struct writing *w = user;

	fprintf(w->f, "# module %d %#lx %#lx %s\n", w->pid, m->base, m->size,
		m->path);
}

void events_write_modules(FILE *f, pid_t pid, const struct space *sp)
{
	struct writing w = { f, pid };

	translate_modules_each(sp, write_module, &w);
}
