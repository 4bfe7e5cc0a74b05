#include "trace/story.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "trace/jit.h"
#include "trace/lines.h"
#include "trace/symbols.h"

struct story *story_new(void)
{
	struct story *r = xcalloc(1, sizeof(*r));

	GROW(r->objects, r->n_objects + 1, r->cap_objects, 64);
	r->objects[0] = (struct story_object){ .path = xstrdup("") };
	GROW(r->functions, r->n_functions + 1, r->cap_functions, 64);
	r->functions[0] = (struct story_function){ .name = "???" };
	GROW(r->images, r->n_images + 1, r->cap_images, 64);
	r->images[0] = (struct story_image){ 0 };
	r->cap_blocks = 64;
	r->blocks = xcalloc(r->cap_blocks, sizeof(*r->blocks));
	r->steps = xcalloc(r->cap_blocks, sizeof(*r->steps));
	return r;
}

void story_free(struct story *r)
{
	for (uint32_t i = 0; i <= r->n_objects; i++) {
		free(r->objects[i].path);
		free(r->objects[i].functions);
		lines_free(r->objects[i].lines);
		symbols_free(r->objects[i].symbols);
	}
	for (uint32_t i = 1; i <= r->n_blocks; i++)
		free(r->blocks[i].code);
	for (uint32_t i = 0; i <= r->n_images; i++) {
		jit_free(r->images[i].jit);
		free(r->images[i].mappings);
		free(r->images[i].blocks);
	}
	free(r->objects);
	free(r->functions);
	free(r->images);
	free(r->blocks);
	free(r->steps);
	free(r->ways);
	free(r->way_blocks);
	free(r->command);
	map_fini(&r->threads);
	map_fini(&r->block_at);
	map_fini(&r->way_of);
	free(r);
}

unsigned story_add_sink(struct story *r, const struct story_sink *s)
{
	if (r->n_sinks == STORY_SINKS_MAX)
		die("more than %d sinks", STORY_SINKS_MAX);
	r->sinks[r->n_sinks] = *s;
	return r->n_sinks++;
}

/* --- objects and functions ------------------------------------------------ */

uint32_t story_object(struct story *r, const char *path, uint64_t base,
		      uint64_t size, uint64_t offset)
{
	for (uint32_t i = 0; i <= r->n_objects; i++) {
		if (strcmp(r->objects[i].path, path) != 0)
			continue;
		if (r->objects[i].size < size)
			r->objects[i].size = size;
		return i;
	}
	if (r->n_objects == UINT16_MAX)
		return 0;
	GROW(r->objects, r->n_objects + 1, r->cap_objects, 64);
	r->objects[++r->n_objects] = (struct story_object){
		.path = xstrdup(path),
		.base = base,
		.size = size,
		.offset = offset,
	};
	return r->n_objects;
}

const char *story_object_name(const struct story *r, uint32_t object)
{
	return object ? r->objects[object].path : "[code of no file]";
}

static uint32_t function_add(struct story *r, const struct story_function *f)
{
	GROW(r->functions, r->n_functions + 1, r->cap_functions, 64);
	r->functions[++r->n_functions] = *f;
	return r->n_functions;
}

/* Of code that no symbol covers. */
static uint32_t other_function(struct story *r, uint32_t object)
{
	struct story_object *o = &r->objects[object];

	if (!o->other)
		o->other = function_add(
			r, &(struct story_function){
				   .name = "???",
				   .object = object,
				   .begin = (uint64_t)object << PLACE_SHIFT,
			   });
	return o->other;
}

/* Generated code, if its names are known. */
static uint32_t jit_function(struct story *r, uint32_t image, uint64_t addr)
{
	struct story_image *im = &r->images[image];
	struct jit_symbol *s =
		image && im->pid ? jit_find(&im->jit, im->pid, addr) : NULL;

	if (!s)
		return other_function(r, 0);
	if (!s->function)
		s->function = function_add(
			r, &(struct story_function){ .name = s->name,
						     .begin = s->begin });
	return s->function;
}

static uint32_t function_at(struct story *r, uint32_t image, uint64_t place)
{
	uint32_t object = place_object(place);
	struct story_object *o = &r->objects[object];
	const struct symbol *s;
	uint32_t *known;

	if (!object)
		return jit_function(r, image, place);
	s = symbols_find(story_symbols(r, object), place_offset(place));
	if (!s)
		return other_function(r, object);
	if (!o->functions)
		o->functions = xcalloc(symbols_count(o->symbols),
				       sizeof(*o->functions));
	known = &o->functions[symbols_index(o->symbols, s)];
	if (!*known)
		*known = function_add(
			r, &(struct story_function){
				   .name = symbols_name(o->symbols, s),
				   .object = object,
				   .begin = ((uint64_t)object << PLACE_SHIFT) +
					    s->begin,
				   .flags = s->flags,
			   });
	return *known;
}

uint32_t story_function(struct story *r, uint32_t image, uint64_t place)
{
	return function_at(r, image, place);
}

static void resolve(struct story *r, uint32_t block)
{
	struct story_block *b = &r->blocks[block];

	b->function = function_at(r, b->image, b->begin);
	r->steps[block].function = b->function;
	r->steps[block].flags = r->functions[b->function].flags;
}

void story_functions(struct story *r)
{
	if (r->wants_functions)
		return;
	r->wants_functions = true;
	for (uint32_t i = 1; i <= r->n_blocks; i++)
		resolve(r, i);
}

/* --- images --------------------------------------------------------------- */

uint32_t story_image_add(struct story *r)
{
	GROW(r->images, r->n_images + 1, r->cap_images, 64);
	r->images[++r->n_images] = (struct story_image){ 0 };
	return r->n_images;
}

void story_image_pid(struct story *r, uint32_t image, pid_t pid)
{
	if (!r->images[image].pid)
		r->images[image].pid = pid;
}

void story_map(struct story *r, uint32_t image, const struct story_mapping *m)
{
	struct story_image *im = &r->images[image];

	for (uint32_t i = 0; i < im->n_mappings; i++) {
		if (!memcmp(&im->mappings[i], m, sizeof(*m)))
			return;
	}
	GROW(im->mappings, im->n_mappings, im->cap_mappings, 64);
	im->mappings[im->n_mappings++] = *m;
	for (unsigned i = 0; i < r->n_sinks; i++) {
		if (r->sinks[i].mapping)
			r->sinks[i].mapping(r->sinks[i].user, image, m);
	}
}

uint64_t story_place(const struct story *r, uint32_t image, uint64_t addr)
{
	const struct story_image *im = &r->images[image];
	const struct story_mapping *m;

	for (uint32_t i = im->n_mappings; i-- > 0;) {
		m = &im->mappings[i];
		if (addr - m->base < m->size)
			return ((uint64_t)m->object << PLACE_SHIFT) +
			       (addr - m->base);
	}
	return addr & PLACE_OFFSET;
}

uint64_t story_address(const struct story *r, uint32_t image, uint64_t place)
{
	const struct story_image *im = &r->images[image];

	if (!place_object(place))
		return place;
	for (uint32_t i = im->n_mappings; i-- > 0;) {
		if (im->mappings[i].object == place_object(place))
			return im->mappings[i].base + place_offset(place);
	}
	return 0;
}

/* --- blocks --------------------------------------------------------------- */

static bool same_block(const struct story_block *a, const struct story_block *b)
{
	return a->bytes == b->bytes && a->instructions == b->instructions &&
	       a->end == b->end && a->image == b->image &&
	       (!a->code || !b->code || !memcmp(a->code, b->code, b->bytes));
}

static uint32_t block_add(struct story *r, const struct story_block *b)
{
	struct story_step *step;
	uint32_t n = ++r->n_blocks;

	if (n == r->cap_blocks) {
		r->cap_blocks *= 2;
		r->blocks =
			xrealloc(r->blocks, r->cap_blocks * sizeof(*r->blocks));
		r->steps =
			xrealloc(r->steps, r->cap_blocks * sizeof(*r->steps));
	}
	r->blocks[n] = *b;
	step = &r->steps[n];
	*step = (struct story_step){ 0 };
	step->begin = b->begin;
	step->behind = b->begin + b->bytes;
	step->instructions = (uint16_t)b->instructions;
	step->end = b->end;
	if (r->wants_functions)
		resolve(r, n);
	for (unsigned i = 0; i < r->n_sinks; i++) {
		if (r->sinks[i].block)
			r->sinks[i].block(r->sinks[i].user, n);
	}
	return n;
}

uint32_t story_block(struct story *r, uint32_t image,
		     const struct story_block *b)
{
	struct story_block mine = *b;
	uint32_t first, i;

	first = (uint32_t)(uintptr_t)map_find(&r->block_at, b->begin + 1);
	mine.function = 0;
	mine.image = place_object(b->begin) ? 0 : image;
	for (i = first; i; i = r->blocks[i].same) {
		if (same_block(&r->blocks[i], &mine))
			return i;
	}
	mine.same = first;
	if (b->code)
		mine.code = memcpy(xmalloc(b->bytes), b->code, b->bytes);
	i = block_add(r, &mine);
	map_set(&r->block_at, b->begin + 1, (void *)(uintptr_t)i);
	return i;
}

/* --- threads -------------------------------------------------------------- */

struct story_thread *story_thread_find(const struct story *r, struct ptid who)
{
	return map_find(&r->threads, (uint64_t)who.tid);
}

struct story_thread *story_thread_add(struct story *r, uint32_t image,
				      struct ptid who)
{
	struct story_thread *th = xcalloc(1, sizeof(*th));

	th->id = who;
	th->number = ++r->n_threads;
	th->image = image;
	th->from = th->until = r->now;
	story_image_pid(r, image, who.pid);
	map_set(&r->threads, (uint64_t)who.tid, th);
	return th;
}

void story_time(struct story *r, struct story_thread *th, int64_t now)
{
	th->from = th->until ? th->until : now;
	th->until = now;
	r->now = now;
}

#define TELL(r, what, ...)                                                   \
	do {                                                                 \
		for (unsigned slot = 0; slot < (r)->n_sinks; slot++) {       \
			if ((r)->sinks[slot].what)                           \
				(r)->sinks[slot].what((r)->sinks[slot].user, \
						      __VA_ARGS__);          \
		}                                                            \
	} while (0)

void story_cut(struct story *r, struct story_thread *th, uint32_t instructions)
{
	TELL(r, cut, th, instructions);
}

void story_lost(struct story *r, struct story_thread *th)
{
	TELL(r, lost, th);
}

uint32_t story_hop(struct story *r, const struct story_hop *h)
{
	r->n_hops++;
	TELL(r, hop, r->n_hops, h);
	return r->n_hops;
}

void story_events(struct story *r, struct story_thread *th,
		  const struct story_events *e)
{
	TELL(r, events, th, e);
}

void story_arrives(struct story *r, struct story_thread *th,
		   const struct flow_arrival *a)
{
	TELL(r, arrives, th, a);
}

void story_count(struct story *r, uint32_t block, uint64_t times)
{
	TELL(r, count, block, times);
}

void story_folded(struct story *r, const struct flow_fold *f)
{
	TELL(r, folded, f);
}

void story_depths(struct story *r, struct story_thread *th, uint32_t *depths,
		  uint32_t n, bool known)
{
	TELL(r, depths, th, depths, n, known);
}

size_t story_open(struct story *r, struct story_thread *th,
		  struct flow_open *out, size_t n)
{
	const struct story_sink *one = NULL;

	for (unsigned i = 0; i < r->n_sinks; i++) {
		if (r->sinks[i].open && one)
			return 0;
		if (r->sinks[i].open)
			one = &r->sinks[i];
	}
	return one ? one->open(one->user, th, out, n) : 0;
}

void story_part(struct story *r, struct story_thread *th, uint32_t block,
		uint32_t instructions)
{
	TELL(r, part, th, block, instructions);
}

void story_thread_end(struct story *r, struct story_thread *th)
{
	TELL(r, end, th);
	map_drop(&r->threads, (uint64_t)th->id.tid);
	free(th);
}

void story_killed(struct story *r, const struct story_death *d)
{
	TELL(r, killed, d);
}

/* image 0: of any. Dropping moves what is in the map: one at a time. */
static struct story_thread *some_thread(struct story *r, uint32_t image)
{
	for (size_t i = 0; r->threads.count && i <= r->threads.mask; i++) {
		struct story_thread *th = r->threads.slots[i].value;

		if (r->threads.slots[i].key && (!image || th->image == image))
			return th;
	}
	return NULL;
}

void story_image_end(struct story *r, uint32_t image)
{
	struct story_thread *th;

	while ((th = some_thread(r, image)))
		story_thread_end(r, th);
}

void story_finish(struct story *r)
{
	story_image_end(r, 0);
}
