/*
 * A profile for callgrind_annotate and KCachegrind: valgrind's manual,
 * "Callgrind Format Specification", version 1. Positions are an instruction's
 * address in its file and its line; costs are instructions.
 *
 * A function that is called while it is being called already is another one,
 * `NAME'2`, as callgrind has it: so inclusive costs of NAME are right.
 *
 * A function's lines are in order, and those of code that was inlined into it
 * name the file that they are of (fi, fe). Names are written once and have
 * numbers then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/format.h"
#include "trace/lines.h"
#include "trace/names.h"
#include "trace/profile.h"

/* A line of cost, or of calls if call is not 0. */
struct row {
	uint64_t place, cost;
	uint32_t function; /* as level_of() numbers them */
	uint32_t call;
};

struct writing {
	struct profile *p;
	struct story *run;
	FILE *out;
	struct row *rows;
	size_t n, cap;
	struct names files, objects;
	uint8_t *named;	  /* by function: its name has been written */
	const char *file; /* that rows are of now */
	uint32_t function, object;
};

struct place {
	const char *file;
	uint32_t line;
};

/* --- rows ----------------------------------------------------------------- */

static void add(struct writing *w, const struct row *row)
{
	GROW(w->rows, w->n, w->cap, 4096);
	w->rows[w->n++] = *row;
}

/* A function at a level has a number of its own. */
static uint32_t at_level(uint32_t function, unsigned level)
{
	return function * LEVELS + level;
}

static void add_block(struct writing *w, uint32_t block, unsigned level)
{
	uint64_t places[STORY_PLACES_MAX], count;
	const struct story_block *b = &w->run->blocks[block];
	uint32_t function = at_level(b->function, level);
	size_t n;

	count = w->p->counts[level][block];
	if (!count)
		return;
	n = story_places(w->run, block, places);
	if (n != b->instructions) /* all at its beginning */
		add(w, &(struct row){ places[0], count * b->instructions,
				      function, 0 });
	for (size_t i = 0; n == b->instructions && i < n; i++)
		add(w, &(struct row){ places[i], count, function, 0 });
}

/* What was not executed of blocks that were left before their end. */
static void take_back(struct writing *w, const struct profile_part *part)
{
	uint64_t places[STORY_PLACES_MAX];
	const struct story_block *b = &w->run->blocks[part->block];
	uint32_t function = at_level(b->function, part->level);
	size_t n = story_places(w->run, part->block, places);

	if (n != b->instructions)
		add(w, &(struct row){ places[0],
				      -part->count * (b->instructions -
						      part->instructions),
				      function, 0 });
	for (size_t i = part->instructions; n == b->instructions && i < n; i++)
		add(w, &(struct row){ places[i], -part->count, function, 0 });
}

static void add_call(struct writing *w, uint32_t call)
{
	const struct profile_call *c = &w->p->calls[call];
	const struct story_block *b = &w->run->blocks[c->site];

	add(w, &(struct row){ b->last, c->cost,
			      at_level(b->function, c->site_level), call });
}

static void collect(struct writing *w)
{
	for (unsigned level = 0; level < LEVELS; level++) {
		for (uint32_t i = 1; i <= w->run->n_blocks; i++)
			add_block(w, i, level);
	}
	for (uint32_t i = 1; i <= w->p->n_parts; i++)
		take_back(w, &w->p->parts[i]);
	for (uint32_t i = 1; i <= w->p->n_calls; i++)
		add_call(w, i);
}

static int in_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->call < y->call ? -1 : x->call > y->call;
}

/* Costs of one place become one. */
static void merge(struct writing *w)
{
	size_t n = 0;

	if (w->n)
		qsort(w->rows, w->n, sizeof(*w->rows), in_order);
	for (size_t i = 0; i < w->n; i++) {
		struct row *last = n ? &w->rows[n - 1] : NULL;

		if (last && !w->rows[i].call && !last->call &&
		    last->function == w->rows[i].function &&
		    last->place == w->rows[i].place)
			last->cost += w->rows[i].cost;
		else
			w->rows[n++] = w->rows[i];
	}
	w->n = n;
}

/* The second level's part of both. Where a signal has come between two blocks
 * calls may have been told at the wrong level, and one of them be negative. */
static uint64_t second_of(const uint64_t own[LEVELS])
{
	int64_t all = (int64_t)(own[0] + own[1]), second = (int64_t)own[1];

	if (second <= 0 || all <= 0)
		return 0;
	return (uint64_t)(second < all ? second : all);
}

/* The first rows of a function, all of the first level, cost so much; part of
 * that is the second's. How much of each row is not known: it is divided as the
 * whole is. */
static void share(struct writing *w, size_t from, size_t to, uint64_t all,
		  uint64_t second)
{
	uint64_t sum = 0, before = 0, after;

	for (size_t i = from; i < to; i++) {
		struct row *row = &w->rows[i], other = *row;

		if (row->call)
			continue;
		sum += row->cost;
		after = (uint64_t)((unsigned __int128)sum * second / all);
		other.cost = after - before;
		before = after;
		other.function++;
		row->cost -= other.cost;
		if (other.cost)
			add(w, &other);
	}
}

static void share_all(struct writing *w)
{
	uint64_t(*own)[LEVELS] = profile_own_costs(w->p);
	size_t n = w->n, to;

	for (size_t i = 0; i < n; i = to) {
		uint32_t at = w->rows[i].function, function = at / LEVELS;
		uint64_t second = at % LEVELS || function >= w->p->cap_own
					  ? 0
					  : second_of(own[function]);

		for (to = i; to < n && w->rows[to].function == at;)
			to++;
		if (second)
			share(w, i, to, own[function][0] + own[function][1],
			      second);
	}
	free(own);
}

/* --- names ---------------------------------------------------------------- */

/* `WHAT=(NUMBER) NAME`, or without the name if it was there already. */
static void put_named(struct writing *w, const char *what, struct names *names,
		      const char *name)
{
	uint32_t known = names->n, id = names_id(names, name);

	fprintf(w->out, id > known ? "%s=(%u) %s\n" : "%s=(%u)\n", what, id,
		name);
}

static const struct story_function *function_of(const struct writing *w,
						uint32_t function)
{
	return &w->run->functions[function / LEVELS];
}

/* A number is enough the second time. */
static void put_function(struct writing *w, const char *what, uint32_t function)
{
	fprintf(w->out, "%s=(%u)", what, function);
	if (!w->named[function]) {
		fprintf(w->out, " %s", function_of(w, function)->name);
		if (function % LEVELS)
			fprintf(w->out, "'%u", function % LEVELS + 1);
	}
	fputc('\n', w->out);
	w->named[function] = 1;
}

static struct place place_of(struct writing *w, uint64_t at)
{
	uint32_t object = place_object(at);
	struct lines *l = object ? story_lines(w->run, object) : NULL;
	const struct line_row *row = l ? lines_find(l, place_offset(at)) : NULL;

	if (!row)
		return (struct place){ "???", 0 };
	return (struct place){ lines_file(l, row->file), row->line };
}

/* --- lines ---------------------------------------------------------------- */

static void begin_function(struct writing *w, uint32_t function)
{
	const struct story_function *f = function_of(w, function);

	fputc('\n', w->out);
	if (w->object != f->object || !w->function)
		put_named(w, "ob", &w->objects,
			  story_object_name(w->run, f->object));
	w->object = f->object;
	w->file = place_of(w, f->begin).file;
	put_named(w, "fl", &w->files, w->file);
	put_function(w, "fn", function);
	w->function = function;
}

static void put_position(struct writing *w, uint64_t at, uint32_t line)
{
	fprintf(w->out, "0x%lx %u ", story_vaddr(w->run, at), line);
}

/* Code without a line is that of the function's own file. */
static uint32_t enter_file(struct writing *w, uint64_t at)
{
	struct place p = place_of(w, at);
	const char *own;

	if (!p.line || !strcmp(p.file, w->file))
		return p.line;
	own = place_of(w, function_of(w, w->function)->begin).file;
	put_named(w, strcmp(p.file, own) ? "fi" : "fe", &w->files, p.file);
	w->file = p.file;
	return p.line;
}

static void put_call(struct writing *w, const struct row *row, uint32_t line)
{
	const struct profile_call *c = &w->p->calls[row->call];
	const struct story_function *f = &w->run->functions[c->function];
	struct place p = place_of(w, f->begin);

	if (f->object != w->object)
		put_named(w, "cob", &w->objects,
			  story_object_name(w->run, f->object));
	put_named(w, "cfi", &w->files, p.file);
	put_function(w, "cfn", at_level(c->function, c->level));
	fprintf(w->out, "calls=%lu ", c->count);
	put_position(w, f->begin, p.line);
	fputc('\n', w->out);
	put_position(w, row->place, line);
	fprintf(w->out, "%lu\n", row->cost);
}

static void put_row(struct writing *w, const struct row *row)
{
	uint32_t line;

	if (!row->call && !row->cost)
		return;
	if (row->function != w->function)
		begin_function(w, row->function);
	line = enter_file(w, row->place);
	if (row->call) {
		put_call(w, row, line);
		return;
	}
	put_position(w, row->place, line);
	fprintf(w->out, "%lu\n", row->cost);
}

/* --- the format ----------------------------------------------------------- */

static void put_head(struct writing *w, uint64_t total)
{
	const struct story *r = w->run;

	fputs("# callgrind format\nversion: 1\ncreator: tracestub " VERSION
	      "\n",
	      w->out);
	if (r->n_images)
		fprintf(w->out, "pid: %d\n", r->images[1].pid);
	if (r->command)
		fprintf(w->out, "cmd: %s\n", r->command);
	fprintf(w->out,
		"part: 1\n\npositions: instr line\nevents: Ir\n"
		"summary: %lu\n",
		total);
}

static void write_callgrind(void *state, FILE *out)
{
	struct profile *p = state;
	struct writing w = { .p = p, .run = p->run, .out = out };
	uint64_t total = 0;

	profile_settle(p);
	collect(&w);
	merge(&w);
	if (p->own) {
		share_all(&w);
		merge(&w);
	}
	for (size_t i = 0; i < w.n; i++)
		total += w.rows[i].call ? 0 : w.rows[i].cost;
	w.named = xcalloc(w.run->n_functions + 1, LEVELS);
	put_head(&w, total);
	for (size_t i = 0; i < w.n; i++)
		put_row(&w, &w.rows[i]);
	fprintf(out, "\ntotals: %lu\n", total);
	names_fini(&w.files);
	names_fini(&w.objects);
	free(w.named);
	free(w.rows);
}

static void *begin(struct story *r, const struct format_args *args,
		   struct err *e)
{
	(void)args;
	(void)e;
	return profile_new(r, PROFILE_CALLS);
}

static void free_callgrind(void *state)
{
	profile_free(state);
}

const struct format format_callgrind = {
	.name = "callgrind",
	.help = "profile with calls, for callgrind_annotate and KCachegrind",
	.calls = true,
	.begin = begin,
	.write = write_callgrind,
	.free = free_callgrind,
};
