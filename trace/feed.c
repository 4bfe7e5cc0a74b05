#include "trace/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "translate/record.h"

/* A program in memory, as translate/flow.h counts them. */
struct feed_image {
	uint32_t image;	  /* the run's number; 0: nothing was told of it */
	uint32_t *blocks; /* the run's numbers by those here */
	uint32_t cap_blocks;
	uint32_t *hops; /* the same */
	uint32_t cap_hops;
};

static const uint8_t ends[] = {
	[FLOW_FALLS] = END_FALLS,
	[FLOW_JUMP] = END_FALLS,
	[FLOW_CONDITIONAL] = END_FALLS,
	[FLOW_CALL] = END_CALL,
	[FLOW_RETURN] = END_RET,
	[FLOW_INDIRECT_JUMP] = END_JUMP_IND,
	[FLOW_INDIRECT_CALL] = END_CALL_IND,
	[FLOW_SYSCALL] = END_SYSCALL,
	[FLOW_OTHER] = END_FALLS,
};

static struct feed_image *image_at(struct feed *f, uint32_t n)
{
	f->images =
		grow_zeroed(f->images, &f->cap_images, n, sizeof(*f->images));
	if (!f->images[n].image)
		f->images[n].image = story_image_add(f->run);
	return &f->images[n];
}

/* --- what is told --------------------------------------------------------- */

/* The place of the address, in that module or none. */
static uint64_t place_of(struct feed *f, uint32_t image, uint64_t addr,
			 const struct translate_module *m)
{
	struct story_mapping mapping;

	if (!m)
		return addr & PLACE_OFFSET;
	mapping = (struct story_mapping){
		.object = story_object(f->run, m->path, m->base, m->size,
				       m->offset),
		.base = m->base,
		.size = m->size,
	};
	story_map(f->run, image, &mapping);
	return ((uint64_t)mapping.object << PLACE_SHIFT) + addr - m->base;
}

static void take_block(void *user, const struct flow_who *who, uint32_t id,
		       const struct flow_block *b)
{
	struct feed *f = user;
	struct feed_image *im = image_at(f, who->image);
	uint64_t begin = place_of(f, im->image, b->begin, b->module);

	story_image_pid(f->run, im->image, who->id.pid);
	if (id >= im->cap_blocks) {
		im->cap_blocks = 2 * id + 1024;
		im->blocks = xrealloc(im->blocks,
				      im->cap_blocks * sizeof(*im->blocks));
	}
	im->blocks[id] = story_block(
		f->run, im->image,
		&(struct story_block){
			.begin = begin,
			.last = begin + (b->last - b->begin),
			.bytes = b->bytes,
			.instructions = b->instructions,
			.end = ends[b->end],
			.code = place_object(begin) ? NULL : (uint8_t *)b->code,
		});
}

static struct story_thread *thread_of(struct feed *f,
				      const struct flow_who *who)
{
	uint32_t image = image_at(f, who->image)->image;
	struct story_thread *th = story_thread_find(f->run, who->id);

	/* An image that ends tells so; but a thread's id may be another's by
	 * then. */
	if (th && th->image != image) {
		story_thread_end(f->run, th);
		th = NULL;
	}
	return th ? th : story_thread_add(f->run, image, who->id);
}

/* A log comes in pieces, one right after the other: it was all executed before
 * the first of them came. */
#define AT_ONCE_NS 50000

static void tell_time(struct feed *f, struct story_thread *th)
{
	int64_t now = clock_ns();

	if (f->last != th || now - f->done > AT_ONCE_NS)
		story_time(f->run, th, now);
	f->last = th;
}

_Static_assert(FLOW_WAY_MOST <= STORY_WAY_MOST, "ways are too long");

static uint32_t take_way(void *user, uint32_t image, const uint32_t *ids,
			 size_t n)
{
	struct feed *f = user;
	const uint32_t *blocks = f->images[image].blocks;
	uint32_t mine[STORY_WAY_MOST];

	for (size_t i = 0; i < n; i++)
		mine[i] = blocks[ids[i]];
	return story_way(f->run, mine, n);
}

static void take_ways(void *user, const struct flow_who *who,
		      const uint32_t *ways, size_t n)
{
	struct feed *f = user;
	struct story_thread *th = thread_of(f, who);

	tell_time(f, th);
	story_path(f->run, th, ways, n);
	f->done = clock_ns();
}

static void take_cut(void *user, const struct flow_who *who,
		     uint32_t instructions)
{
	struct feed *f = user;

	story_cut(f->run, thread_of(f, who), instructions);
}

static void take_gap(void *user, const struct flow_who *who, uint64_t pc)
{
	struct feed *f = user;

	(void)pc;
	story_lost(f->run, thread_of(f, who));
}

static void take_lost(void *user, const struct flow_who *who)
{
	struct feed *f = user;

	story_lost(f->run, thread_of(f, who));
}

/* --- calls alone ---------------------------------------------------------- */

static uint32_t ask_function(void *user, const struct flow_who *who,
			     uint64_t pc, const struct translate_module *m,
			     unsigned *flags)
{
	struct feed *f = user;
	uint32_t image = image_at(f, who->image)->image, id;
	uint64_t place = place_of(f, image, pc, m);
	const struct story_function *function;

	story_image_pid(f->run, image, who->id.pid);
	id = story_function(f->run, image, place);
	function = &f->run->functions[id];
	*flags = (function->begin == place ? FLOW_BEGINS : 0) |
		 (function->flags & FUNCTION_LINK ? FLOW_LINKS : 0);
	return id;
}

static void take_hop(void *user, const struct flow_who *who, uint32_t id,
		     const struct flow_hop *h)
{
	struct feed *f = user;
	struct feed_image *im = image_at(f, who->image);
	uint64_t begin = place_of(f, im->image, h->pc, h->module);

	if (id >= im->cap_hops) {
		im->cap_hops = 2 * id + 1024;
		im->hops = xrealloc(im->hops, im->cap_hops * sizeof(*im->hops));
	}
	im->hops[id] = story_hop(
		f->run,
		&(struct story_hop){
			.kind = h->kind,
			.site = h->from ? im->blocks[h->from] : 0,
			.begin = begin,
			.function = story_function(f->run, im->image, begin),
			.through = h->through ? im->hops[h->through] : 0,
			.instructions = h->instructions,
		});
}

static void take_events(void *user, const struct flow_who *who,
			const struct flow_event *all, size_t n)
{
	struct feed *f = user;
	const struct feed_image *im = image_at(f, who->image);

	story_events(f->run, thread_of(f, who),
		     &(struct story_events){ all, n, im->hops, im->blocks });
}

static void take_arrival(void *user, const struct flow_who *who,
			 const struct flow_arrival *a)
{
	struct feed *f = user;
	const struct feed_image *im = image_at(f, who->image);
	struct flow_arrival mine = *a;

	mine.from = a->from ? im->blocks[a->from] : 0;
	mine.block = a->block ? im->blocks[a->block] : 0;
	story_arrives(f->run, thread_of(f, who), &mine);
}

static void take_count(void *user, uint32_t image, uint32_t block,
		       uint64_t times)
{
	struct feed *f = user;

	story_count(f->run, image_at(f, image)->blocks[block], times);
}

static void take_folded(void *user, uint32_t image,
			const struct flow_fold *fold)
{
	struct feed *f = user;
	const struct feed_image *im = image_at(f, image);
	struct flow_fold mine = *fold;

	mine.hop = im->hops[fold->hop];
	mine.from = fold->from ? im->blocks[fold->from] : 0;
	story_folded(f->run, &mine);
}

static void take_depths(void *user, const struct flow_who *who,
			uint32_t *depths, uint32_t n, bool known)
{
	struct feed *f = user;

	story_depths(f->run, thread_of(f, who), depths, n, known);
}

static size_t take_open(void *user, const struct flow_who *who,
			struct flow_open *out, size_t n)
{
	struct feed *f = user;

	return story_open(f->run, thread_of(f, who), out, n);
}

static void take_part(void *user, const struct flow_who *who, uint32_t block,
		      uint32_t instructions)
{
	struct feed *f = user;

	story_part(f->run, thread_of(f, who),
		   image_at(f, who->image)->blocks[block], instructions);
}

/* --- ends ----------------------------------------------------------------- */

static void take_end(void *user, const struct flow_who *who, bool exact)
{
	struct feed *f = user;
	struct story_thread *th = story_thread_find(f->run, who->id);

	if (!exact && th)
		story_lost(f->run, th);
	if (th)
		story_thread_end(f->run, th);
	f->last = NULL;
}

static void take_image_end(void *user, uint32_t image)
{
	struct feed *f = user;
	struct feed_image *im = image_at(f, image);

	story_image_end(f->run, im->image);
	f->last = NULL;
	free(im->blocks);
	free(im->hops);
	*im = (struct feed_image){ 0 };
}

/* --- beginning and end ---------------------------------------------------- */

void feed_init(struct feed *f, struct story *r, struct flow_sink *sink)
{
	*f = (struct feed){ .run = r };
	*sink = (struct flow_sink){
		.block = take_block,
		.way = take_way,
		.ways = take_ways,
		.cut = take_cut,
		.gap = take_gap,
		.lost = take_lost,
		.function = ask_function,
		.hop = take_hop,
		.events = take_events,
		.arrives = take_arrival,
		.count = take_count,
		.folded = take_folded,
		.depths = take_depths,
		.open = take_open,
		.part = take_part,
		.end = take_end,
		.image_end = take_image_end,
		.user = f,
	};
}

void feed_fini(struct feed *f)
{
	for (uint32_t i = 0; i < f->cap_images; i++)
		free(f->images[i].blocks);
	for (uint32_t i = 0; i < f->cap_images; i++)
		free(f->images[i].hops);
	free(f->images);
}
