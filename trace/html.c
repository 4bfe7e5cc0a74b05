/*
 * A page for a browser, all in one file: coverage by module and function, hot
 * blocks with their instructions, and a flame graph. trace/page.html is the
 * page; what it shows is put into it as JSON.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/format.h"
#include "trace/json.h"
#include "translate/capstone.h"
#include "trace/lines.h"
#include "trace/summary.h"
#include "trace/where.h"

/* trace/page.html, with a zero behind it. */
__asm__(".pushsection .rodata\n"
	"trace_page: .incbin \"trace/page.html\"\n"
	".byte 0\n"
	".popsection\n");
extern const char trace_page[];

#define DATA	   "@DATA@"
#define HOT_BLOCKS 40
#define LEAST_SHARE \
	4000 /* a context with less than a part of that is left out */

struct page {
	struct profile *p;
	const struct globs *globs;
	struct summary summary;
	FILE *out;
};

/* A comma, but for the first of a list. */
static void put_comma(struct page *pg, bool *any)
{
	fputs(*any ? ",\n" : "\n", pg->out);
	*any = true;
}

/* --- modules and functions ------------------------------------------------ */

static void put_modules(struct page *pg)
{
	const struct summary *s = &pg->summary;
	bool any = false;

	fputs("\"modules\":[", pg->out);
	for (uint32_t i = 0; i < s->n_modules; i++) {
		const struct summary_module *m = &s->modules[i];
		const char *path = story_object_name(pg->p->run, m->object);

		put_comma(pg, &any);
		fputs("{\"path\":", pg->out);
		json_put_string(path, pg->out);
		fputs(",\"name\":", pg->out);
		json_put_string(path_name(path), pg->out);
		fprintf(pg->out,
			",\"cost\":%" PRIu64 ",\"functions\":%u,"
			"\"executed\":%u,\"covered\":%" PRIu64
			",\"size\":%" PRIu64 "}",
			m->cost, m->functions, m->executed, m->covered,
			m->size);
	}
	fputs("],\n", pg->out);
}

static uint32_t module_of(const struct summary *s, uint32_t object)
{
	uint32_t i = 0;

	while (s->modules[i].object != object)
		i++;
	return i;
}

static void put_functions(struct page *pg)
{
	const struct summary *s = &pg->summary;
	bool any = false;

	fputs("\"functions\":[", pg->out);
	for (uint32_t i = 0; i < s->n_functions; i++) {
		const struct summary_function *f = &s->functions[i];

		put_comma(pg, &any);
		fputc('[', pg->out);
		json_put_string(f->name, pg->out);
		fprintf(pg->out,
			",%u,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
			",%" PRIu64 "]",
			module_of(s, f->object), f->calls, f->cost, f->all,
			f->covered, f->size);
	}
	fputs("],\n", pg->out);
}

/* --- hot blocks ----------------------------------------------------------- */

/* The ones with the highest costs, in order; returns how many. */
static unsigned find_hot(const struct page *pg, const uint64_t *costs,
			 uint32_t hot[HOT_BLOCKS])
{
	const struct story *s = pg->p->run;
	unsigned n = 0;

	for (uint32_t i = 1; i <= s->n_blocks; i++) {
		const char *path =
			s->objects[place_object(s->blocks[i].begin)].path;
		unsigned at = n;

		if (!costs[i] || (pg->globs && !globs_want(pg->globs, path)))
			continue;
		while (at && costs[hot[at - 1]] < costs[i])
			at--;
		if (at == HOT_BLOCKS)
			continue;
		n += n < HOT_BLOCKS;
		memmove(&hot[at + 1], &hot[at], (n - at - 1) * sizeof(hot[0]));
		hot[at] = i;
	}
	return n;
}

static void put_line(struct page *pg, uint64_t place)
{
	uint32_t object = place_object(place);
	const struct line_row *row = NULL;
	struct lines *l;
	char *text;

	if (object) {
		l = story_lines(pg->p->run, object);
		row = lines_find(l, place_offset(place));
	}
	if (!row) {
		fputs("\"\"", pg->out);
		return;
	}
	text = xasprintf("%s:%u", lines_file(l, row->file), row->line);
	json_put_string(text, pg->out);
	free(text);
}

static void put_instructions(struct page *pg, uint32_t block)
{
	const struct story_block *b = &pg->p->run->blocks[block];
	const uint8_t *code = story_code(pg->p->run, block);
	const struct capstone *cs = capstone();
	cs_insn *all = NULL;
	bool any = false;
	size_t n = 0;
	csh handle;

	if (!cs || !code || cs->cs_open(CS_ARCH_X86, CS_MODE_64, &handle))
		return;
	n = cs->cs_disasm(handle, code, b->bytes,
			  story_vaddr(pg->p->run, b->begin), 0, &all);
	for (size_t i = 0; i < n; i++) {
		put_comma(pg, &any);
		fprintf(pg->out, "[\"%#" PRIx64 "\",\"%s %s\",", all[i].address,
			all[i].mnemonic, all[i].op_str);
		put_line(pg, b->begin + (all[i].address - all[0].address));
		fputc(']', pg->out);
	}
	if (n)
		cs->cs_free(all, n);
	cs->cs_close(&handle);
}

static void put_hot_block(struct page *pg, uint32_t block, uint64_t cost)
{
	struct buf where = { 0 };

	where_put(&where, pg->p->run, pg->p->run->blocks[block].begin);
	fputs("{\"where\":", pg->out);
	json_put_string(buf_str(&where), pg->out);
	fprintf(pg->out,
		",\"count\":%" PRIu64 ",\"cost\":%" PRIu64 ",\"code\":[",
		profile_count(pg->p, block), cost);
	put_instructions(pg, block);
	fputs("]}", pg->out);
	buf_fini(&where);
}

static void put_hot(struct page *pg)
{
	uint64_t *costs = profile_costs(pg->p);
	uint32_t hot[HOT_BLOCKS + 1];
	unsigned n = find_hot(pg, costs, hot);
	bool any = false;

	fputs("\"hot\":[", pg->out);
	for (unsigned i = 0; i < n; i++) {
		put_comma(pg, &any);
		put_hot_block(pg, hot[i], costs[hot[i]]);
	}
	fputs("],\n", pg->out);
	free(costs);
}

/* --- the flame graph ------------------------------------------------------ */

static bool is_left_out(const struct profile *p, uint32_t node, uint64_t all,
			uint64_t total)
{
	uint32_t function = p->nodes[node].function;

	return all < total / LEAST_SHARE ||
	       p->run->functions[function].flags &
		       (FUNCTION_PLT | FUNCTION_LINK);
}

/* What is left out is its parent's own. Names are numbers of functions; node 0
 * is the root. */
static void put_tree(struct page *pg)
{
	const struct profile *p = pg->p;
	uint64_t *all = xcalloc(p->n_nodes + 1, sizeof(*all));
	uint64_t *own = xcalloc(p->n_nodes + 1, sizeof(*own));
	uint32_t *number = xcalloc(p->n_nodes + 1, sizeof(*number)), n = 0;
	uint32_t *shown = xcalloc(p->n_nodes + 1, sizeof(*shown));

	for (uint32_t i = p->n_nodes; i > 0; i--) {
		all[i] += p->nodes[i].cost;
		all[p->nodes[i].parent] += all[i];
	}
	for (uint32_t i = 1; i <= p->n_nodes; i++) {
		bool out = is_left_out(p, i, all[i], all[0]);

		shown[i] = out ? shown[p->nodes[i].parent] : i;
		own[shown[i]] += p->nodes[i].cost;
		number[i] = out ? 0 : ++n;
	}
	fprintf(pg->out, "\"tree\":[\n[0,0,%" PRIu64 "]", own[0]);
	for (uint32_t i = 1; i <= p->n_nodes; i++) {
		if (number[i])
			fprintf(pg->out, ",\n[%u,%u,%" PRIu64 "]",
				number[shown[p->nodes[i].parent]],
				p->nodes[i].function, own[i]);
	}
	fputs("],\n", pg->out);
	free(all);
	free(own);
	free(number);
	free(shown);
}

static void put_names(struct page *pg)
{
	const struct story *s = pg->p->run;

	fputs("\"names\":[\n\"all\"", pg->out);
	for (uint32_t i = 1; i <= s->n_functions; i++) {
		fputs(",\n", pg->out);
		json_put_string(s->functions[i].name, pg->out);
	}
	fputs("],\n", pg->out);
}

/* --- the format ----------------------------------------------------------- */

static void put_data(struct page *pg)
{
	const struct story *s = pg->p->run;

	fputc('{', pg->out);
	put_modules(pg);
	put_functions(pg);
	put_hot(pg);
	put_tree(pg);
	put_names(pg);
	fputs("\"command\":", pg->out);
	json_put_string(s->command ? s->command : "", pg->out);
	fprintf(pg->out,
		",\"instructions\":%" PRIu64 ",\"executed\":%" PRIu64
		",\"blocks\":%" PRIu64 ",\"threads\":%u}",
		pg->summary.instructions, pg->summary.executions,
		pg->summary.blocks, s->n_threads);
}

static void write_html(void *state, FILE *out)
{
	struct page *pg = state;
	const char *data = strstr(trace_page, DATA);

	pg->out = out;
	summary_make(&pg->summary, pg->p, pg->globs);
	fwrite(trace_page, 1, (size_t)(data - trace_page), out);
	put_data(pg);
	fputs(data + strlen(DATA), out);
	summary_fini(&pg->summary);
}

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	struct page *pg = xcalloc(1, sizeof(*pg));

	(void)e;
	pg->p = profile_new(s, PROFILE_TREE);
	pg->globs = args->globs;
	return pg;
}

static void free_html(void *state)
{
	struct page *pg = state;

	profile_free(pg->p);
	free(pg);
}

const struct format format_html = {
	.name = "html",
	.help = "a page with coverage, hot blocks and a flame graph",
	.begin = begin,
	.write = write_html,
	.free = free_html,
};
