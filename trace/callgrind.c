/*
 * A profile for callgrind_annotate and KCachegrind: valgrind's manual,
 * "Callgrind Format Specification", version 1. Positions are an instruction's
 * address in its file and its line; costs are instructions.
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
	uint32_t function;
	uint32_t call;
};

struct writing {
	struct profile *p;
	struct run *run;
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
	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 4096;
		w->rows = xrealloc(w->rows, w->cap * sizeof(*w->rows));
	}
	w->rows[w->n++] = *row;
}

static void add_block(struct writing *w, uint32_t block, uint64_t *left)
{
	uint64_t places[RUN_PLACES_MAX], count = w->p->counts[block];
	const struct run_block *b = &w->run->blocks[block];
	size_t n = run_places(w->run, block, places);

	if (!count)
		return;
	if (n != b->instructions) { /* all at its beginning */
		add(w, &(struct row){ places[0], *left, b->function, 0 });
		return;
	}
	for (size_t i = 0; i < n; i++)
		add(w, &(struct row){ places[i], count, b->function, 0 });
}

/* What was not executed of blocks that were left before their end. */
static void take_back(struct writing *w, const struct profile_part *part)
{
	uint64_t places[RUN_PLACES_MAX];
	const struct run_block *b = &w->run->blocks[part->block];
	size_t n = run_places(w->run, part->block, places);

	for (size_t i = part->instructions; n == b->instructions && i < n; i++)
		add(w,
		    &(struct row){ places[i], -part->count, b->function, 0 });
}

static void collect(struct writing *w)
{
	uint64_t *costs = profile_costs(w->p);

	for (uint32_t i = 1; i <= w->run->n_blocks; i++)
		add_block(w, i, &costs[i]);
	for (uint32_t i = 1; i <= w->p->n_parts; i++)
		take_back(w, &w->p->parts[i]);
	for (uint32_t i = 1; i <= w->p->n_calls; i++) {
		const struct profile_call *c = &w->p->calls[i];
		const struct run_block *b = &w->run->blocks[c->site];

		add(w, &(struct row){ b->last, c->cost, b->function, i });
	}
	free(costs);
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

/* --- names ---------------------------------------------------------------- */

/* `WHAT=(NUMBER) NAME`, or without the name if it was there already. */
static void put_named(struct writing *w, const char *what, struct names *names,
		      const char *name)
{
	uint32_t known = names->n, id = names_id(names, name);

	fprintf(w->out, id > known ? "%s=(%u) %s\n" : "%s=(%u)\n", what, id,
		name);
}

/* A number is enough the second time. */
static void put_function(struct writing *w, const char *what, uint32_t function)
{
	if (w->named[function])
		fprintf(w->out, "%s=(%u)\n", what, function);
	else
		fprintf(w->out, "%s=(%u) %s\n", what, function,
			w->run->functions[function].name);
	w->named[function] = 1;
}

static struct place place_of(struct writing *w, uint64_t at)
{
	uint32_t object = place_object(at);
	struct lines *l = object ? run_lines(w->run, object) : NULL;
	const struct line_row *row = l ? lines_find(l, place_offset(at)) : NULL;

	if (!row)
		return (struct place){ "???", 0 };
	return (struct place){ lines_file(l, row->file), row->line };
}

/* --- lines ---------------------------------------------------------------- */

static void begin_function(struct writing *w, uint32_t function)
{
	const struct run_function *f = &w->run->functions[function];

	fputc('\n', w->out);
	if (w->object != f->object || !w->function)
		put_named(w, "ob", &w->objects,
			  run_object_name(w->run, f->object));
	w->object = f->object;
	w->file = place_of(w, f->begin).file;
	put_named(w, "fl", &w->files, w->file);
	put_function(w, "fn", function);
	w->function = function;
}

static void put_position(struct writing *w, uint64_t at, uint32_t line)
{
	fprintf(w->out, "0x%lx %u ", run_vaddr(w->run, at), line);
}

/* Code without a line is that of the function's own file. */
static uint32_t enter_file(struct writing *w, uint64_t at)
{
	struct place p = place_of(w, at);
	const char *own;

	if (!p.line || !strcmp(p.file, w->file))
		return p.line;
	own = place_of(w, w->run->functions[w->function].begin).file;
	put_named(w, strcmp(p.file, own) ? "fi" : "fe", &w->files, p.file);
	w->file = p.file;
	return p.line;
}

static void put_call(struct writing *w, const struct row *row, uint32_t line)
{
	const struct profile_call *c = &w->p->calls[row->call];
	const struct run_function *f = &w->run->functions[c->function];
	struct place p = place_of(w, f->begin);

	if (f->object != w->object)
		put_named(w, "cob", &w->objects,
			  run_object_name(w->run, f->object));
	put_named(w, "cfi", &w->files, p.file);
	put_function(w, "cfn", c->function);
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
	const struct run *r = w->run;

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
	for (size_t i = 0; i < w.n; i++)
		total += w.rows[i].call ? 0 : w.rows[i].cost;
	w.named = xcalloc(w.run->n_functions + 1, 1);
	put_head(&w, total);
	for (size_t i = 0; i < w.n; i++)
		put_row(&w, &w.rows[i]);
	fprintf(out, "\ntotals: %lu\n", total);
	names_fini(&w.files);
	names_fini(&w.objects);
	free(w.named);
	free(w.rows);
}

static void *begin(struct run *r, const struct format_args *args)
{
	(void)args;
	return profile_new(r, PROFILE_CALLS);
}

static void free_callgrind(void *state)
{
	profile_free(state);
}

const struct format format_callgrind = {
	.name = "callgrind",
	.help = "profile with calls, for callgrind_annotate and KCachegrind",
	.begin = begin,
	.write = write_callgrind,
	.free = free_callgrind,
};
