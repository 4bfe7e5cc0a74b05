/* Functions by name, of what a program has mapped. */
#include <errno.h>
#include <string.h>

#include "server/lldb-maps.h"
#include "server/location.h"
#include "server/qtrace.h"
#include "trace/lines.h"
#include "trace/story.h"
#include "trace/symbols.h"

/* C++'s are found without their arguments, too. */
static bool is_called(struct symbols *all, const struct symbol *sym,
		      const char *name)
{
	size_t n = strlen(name);
	const char *full;

	if (!strcmp(sym->name, name))
		return true;
	if (strncmp(sym->name, "_Z", 2))
		return false;
	full = symbols_name(all, sym);
	return !strncmp(full, name, n) && (!full[n] || full[n] == '(');
}

static const struct symbol *find(struct symbols *all, const char *name)
{
	for (size_t i = 0; i < symbols_count(all); i++) {
		const struct symbol *sym = symbols_at(all, i);

		if (!(sym->flags & FUNCTION_PLT) && is_called(all, sym, name))
			return sym;
	}
	return NULL;
}

/* A debugger stops behind the first line's code; 0: nothing is known of it. */
static uint64_t behind_line(const struct symbols *all, const struct symbol *sym)
{
	struct lines *lines = lines_new(all);
	uint64_t at = 0;
	size_t n;
	const struct line_row *rows = lines_all(lines, &n);

	for (size_t i = 0; i < n && !at; i++) {
		if (rows[i].begin > sym->begin && rows[i].line &&
		    rows[i].begin < sym->end)
			at = rows[i].begin;
	}
	lines_free(lines);
	return at;
}

/* Without lines: endbr64, push %rbp, mov %rsp, %rbp, as far as they are there.
 */
static size_t prologue(const uint8_t *code, size_t n)
{
	static const struct {
		uint8_t n, bytes[4];
	} parts[] = {
		{ 4, { 0xf3, 0x0f, 0x1e, 0xfa } },
		{ 1, { 0x55 } },
		{ 3, { 0x48, 0x89, 0xe5 } },
	};
	size_t at = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (at + parts[i].n <= n &&
		    !memcmp(code + at, parts[i].bytes, parts[i].n))
			at += parts[i].n;
	}
	return at;
}

static int find_in(struct session *s, const struct lldb_region *r,
		   const char *name, uint64_t *lo, uint64_t *hi)
{
	struct symbols *all = symbols_new(r->name, r->offset);
	const struct symbol *sym = find(all, name);
	uint8_t code[16];
	uint64_t behind;
	ssize_t n;

	if (sym) {
		*lo = *hi = r->start + sym->begin;
		behind = behind_line(all, sym);
		n = target_read(s->target, session_process(s), *lo, code,
				sizeof(code));
		if (behind)
			*hi = r->start + behind;
		else if (n > 0)
			*hi = *lo + prologue(code, (size_t)n);
	}
	symbols_free(all);
	return sym ? 0 : -ENOENT;
}

int function_find(struct session *s, const char *name, uint64_t *lo,
		  uint64_t *hi)
{
	const struct process *p = session_process(s);
	struct lldb_region r, last = { 0 };

	if (!p)
		return -ESRCH;
	if (p->path && lldb_region_of(s, p->path, &r) >= 0 &&
	    find_in(s, &r, name, lo, hi) >= 0)
		return 0;
	for (r.end = 0; lldb_region_find(s, r.end, &r) >= 0 && r.end;) {
		if (r.mapped && r.name[0] == '/' && strcmp(r.name, last.name) &&
		    find_in(s, &r, name, lo, hi) >= 0)
			return 0;
		if (r.mapped)
			last = r;
	}
	return -ENOENT;
}
