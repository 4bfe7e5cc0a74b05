/*
 * Line coverage as lcov's tracefiles have it (geninfo(1)), of programs that
 * were built with no instrumentation: out of DWARF, and which block followed
 * which.
 *
 * A line has been executed once more each time that control comes to it from
 * another line, or from the outside, or goes back within it; so a loop in one
 * line counts its turns, and a call in the middle of a line does not count it
 * twice. That is what gcov counts, as far as a line's code tells the same.
 * Where a signal interrupts a line, that line may be counted once more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/format.h"
#include "trace/lines.h"
#include "trace/names.h"
#include "trace/profile.h"
#include "trace/symbols.h"

struct source_function {
	uint64_t count;
	uint32_t line;
	char *name;
};

struct source {
	uint64_t *counts; /* by line; one more than it is; 0: it has no code */
	uint32_t cap;
	struct source_function *functions;
	uint32_t n_functions, cap_functions;
};

struct lcov {
	struct profile *p;
	const struct globs *globs;
	struct names files;
	struct source *sources; /* by number of the name */
	uint32_t cap_sources;
	uint32_t object;    /* that is being looked at */
	struct map entries; /* place of a function -> its own line */
};

/* Of a place: in which file and line. line 0: in none. */
struct at_line {
	uint32_t file, line;
};

static bool is_same(struct at_line a, struct at_line b)
{
	return a.file == b.file && a.line == b.line;
}

/* --- files ---------------------------------------------------------------- */

static struct source *source_at(struct lcov *l, uint32_t file)
{
	l->sources = grow_zeroed(l->sources, &l->cap_sources, file,
				 sizeof(*l->sources));
	return &l->sources[file];
}

static void count_line(struct lcov *l, struct at_line at, uint64_t count)
{
	struct source *s;

	if (!at.line)
		return;
	s = source_at(l, at.file);
	s->counts =
		grow_zeroed(s->counts, &s->cap, at.line, sizeof(*s->counts));
	s->counts[at.line] += count + !s->counts[at.line];
}

/* A function begins in the line that declares it, and not in that of its brace,
 * as compilers have it. */
static struct at_line line_of(struct lcov *l, const struct lines *lines,
			      const struct line_row *row)
{
	uint32_t file = names_id(&l->files, lines_file(lines, row->file));
	uint64_t place = ((uint64_t)l->object << PLACE_SHIFT) + row->begin;
	uintptr_t own = (uintptr_t)map_find(&l->entries, place);

	return (struct at_line){ file, own ? (uint32_t)own : row->line };
}

static struct at_line line_at(struct lcov *l, uint64_t place)
{
	struct lines *lines = story_lines(l->p->run, place_object(place));
	const struct line_row *row = lines_find(lines, place_offset(place));

	if (!row)
		return (struct at_line){ 0, 0 };
	return line_of(l, lines, row);
}

/* --- blocks --------------------------------------------------------------- */

/* Is the line begun anew by who comes from there? */
static bool is_entry(struct lcov *l, uint32_t from, uint32_t to,
		     struct at_line line)
{
	const struct story_block *a = &l->p->run->blocks[from];
	const struct story_block *b = &l->p->run->blocks[to];

	return !from || place_object(a->begin) != l->object ||
	       !is_same(line_at(l, a->last), line) || b->begin <= a->begin;
}

static void count_begin(struct lcov *l, uint32_t block, struct at_line line)
{
	const struct profile *p = l->p;

	count_line(l, line, 0);
	for (uint32_t i = p->first_flow[block]; i; i = p->flows[i].next) {
		if (is_entry(l, p->flows[i].from, block, line))
			count_line(l, line, p->flows[i].count);
	}
}

/* Lines that begin behind the first `from` instructions. */
static void count_within(struct lcov *l, uint32_t block, size_t from,
			 uint64_t count)
{
	uint64_t places[STORY_PLACES_MAX];
	size_t n = story_places(l->p->run, block, places);
	struct at_line last = line_at(l, places[0]), line;

	for (size_t i = 1; i < n; i++, last = line) {
		line = line_at(l, places[i]);
		if (!line.line)
			line = last;
		else if (i >= from && !is_same(line, last))
			count_line(l, line, count);
	}
}

static void count_block(struct lcov *l, uint32_t block)
{
	uint64_t count = profile_count(l->p, block);

	if (!count)
		return;
	count_begin(l, block, line_at(l, l->p->run->blocks[block].begin));
	count_within(l, block, 1, count);
}

/* --- objects -------------------------------------------------------------- */

static uint64_t calls_of(const struct lcov *l, uint64_t place)
{
	const struct profile *p = l->p;
	uint32_t block =
		(uint32_t)(uintptr_t)map_find(&p->run->block_at, place + 1);
	uint64_t n = 0;

	for (; block; block = p->run->blocks[block].same) {
		for (uint32_t i = p->first_flow[block]; i; i = p->flows[i].next)
			n += p->flows[i].from ? 0 : p->flows[i].count;
	}
	return n;
}

static void take_function(void *user, uint64_t begin, const char *name,
			  uint32_t file, uint32_t line)
{
	struct lcov *l = user;
	struct story *s = l->p->run;
	struct lines *lines = story_lines(s, l->object);
	const struct symbol *symbol =
		symbols_find(story_symbols(s, l->object), begin);
	struct source *of =
		source_at(l, names_id(&l->files, lines_file(lines, file)));

	map_set(&l->entries, ((uint64_t)l->object << PLACE_SHIFT) + begin,
		(void *)(uintptr_t)line);
	if (symbol && symbol->begin == begin)
		name = symbol->name;
	GROW(of->functions, of->n_functions, of->cap_functions, 16);
	of->functions[of->n_functions++] = (struct source_function){
		.count = calls_of(l,
				  ((uint64_t)l->object << PLACE_SHIFT) + begin),
		.line = line,
		.name = xstrdup(name),
	};
}

/* A function's prologue may have two rows of the same line. */
static void join_prologues(struct lcov *l, const struct line_row *rows,
			   size_t n)
{
	uint64_t base = (uint64_t)l->object << PLACE_SHIFT;

	for (size_t i = 0; i + 1 < n; i++) {
		void *own = map_find(&l->entries, base + rows[i].begin);

		if (own && rows[i + 1].line == rows[i].line &&
		    rows[i + 1].file == rows[i].file)
			map_set(&l->entries, base + rows[i + 1].begin, own);
		i += own != NULL;
	}
}

/* What could have been executed is there, too. */
static void take_lines(struct lcov *l)
{
	struct lines *lines = story_lines(l->p->run, l->object);
	const struct line_row *rows;
	size_t n;

	lines_functions_each(lines, take_function, l);
	rows = lines_all(lines, &n);
	join_prologues(l, rows, n);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].file && rows[i].statement)
			count_line(l, line_of(l, lines, &rows[i]), 0);
	}
}

static void take_object(struct lcov *l, uint32_t object)
{
	const struct story *s = l->p->run;

	l->object = object;
	take_lines(l);
	for (uint32_t i = 1; i <= s->n_blocks; i++) {
		if (place_object(s->blocks[i].begin) == object)
			count_block(l, i);
	}
	for (uint32_t i = 1; i <= l->p->n_parts; i++) {
		const struct profile_part *part = &l->p->parts[i];

		if (place_object(s->blocks[part->block].begin) == object)
			count_within(l, part->block, part->instructions,
				     -part->count);
	}
}

/* --- writing -------------------------------------------------------------- */

static void put_functions(const struct source *s, FILE *out)
{
	uint32_t hit = 0;

	for (uint32_t i = 0; i < s->n_functions; i++)
		fprintf(out, "FN:%u,%s\n", s->functions[i].line,
			s->functions[i].name);
	for (uint32_t i = 0; i < s->n_functions; i++) {
		fprintf(out, "FNDA:%lu,%s\n", s->functions[i].count,
			s->functions[i].name);
		hit += s->functions[i].count != 0;
	}
	fprintf(out, "FNF:%u\nFNH:%u\n", s->n_functions, hit);
}

static void put_source(const char *name, const struct source *s, FILE *out)
{
	uint32_t found = 0, hit = 0;

	if (!s->cap)
		return;
	fprintf(out, "TN:\nSF:%s\n", name);
	put_functions(s, out);
	for (uint32_t i = 1; i < s->cap; i++) {
		if (!s->counts[i])
			continue;
		fprintf(out, "DA:%u,%lu\n", i, s->counts[i] - 1);
		found++;
		hit += s->counts[i] > 1;
	}
	fprintf(out, "LF:%u\nLH:%u\nend_of_record\n", found, hit);
}

static void free_sources(struct lcov *l)
{
	for (uint32_t i = 0; i < l->cap_sources; i++) {
		for (uint32_t k = 0; k < l->sources[i].n_functions; k++)
			free(l->sources[i].functions[k].name);
		free(l->sources[i].functions);
		free(l->sources[i].counts);
	}
	free(l->sources);
	l->sources = NULL;
	l->cap_sources = 0;
	map_fini(&l->entries);
	names_fini(&l->files);
	l->files = (struct names){ 0 };
}

static void write_lcov(void *state, FILE *out)
{
	struct lcov *l = state;
	const struct story *s = l->p->run;

	profile_settle(l->p);
	for (uint32_t i = 1; i <= s->n_objects; i++) {
		if (!l->globs || globs_want(l->globs, s->objects[i].path))
			take_object(l, i);
	}
	for (uint32_t i = 1; i <= l->files.n; i++)
		put_source(l->files.all[i], source_at(l, i), out);
	free_sources(l);
}

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	struct lcov *l = xcalloc(1, sizeof(*l));

	(void)e;
	l->globs = args->globs;
	l->p = profile_new(s, PROFILE_FLOWS | PROFILE_CALLS);
	return l;
}

static void free_lcov(void *state)
{
	struct lcov *l = state;

	profile_free(l->p);
	free(l);
}

const struct format format_lcov = {
	.name = "lcov",
	.help = "coverage of lines, for lcov and genhtml, out of debug "
		"information",
	.begin = begin,
	.write = write_lcov,
	.free = free_lcov,
};
