/*
 * Writes our own trace file (doc/trace-file.md), a frame at a time, so that
 * all but the last of a run that ends in the middle can be read. What a path
 * names stands in frames before it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "trace/format.h"
#include "trace/lazy.h"
#include "trace/tracefile.h"

#define PATH_BYTES (1 << 17) /* of a frame, before it is compressed */
#define AT_ONCE	   1024	     /* ways of which none fills it up */
#define EVERY_NS   1000000000
#define LEVEL	   1

struct recorder {
	struct story *story;
	const struct zstd *zstd;
	ZSTD_CCtx *zstd_context;
	FILE *out;
	unsigned slot;
	uint32_t objects, blocks, ways; /* that were written */
	bool command;
	struct buf packed, scratch;
	int64_t flushed;
};

/* Of a thread: what was not written yet. */
struct recorded {
	struct recorder *rec;
	struct predictor predictor;
	uint64_t hits;
	int64_t time;
	uint8_t *end;
	uint8_t bytes[PATH_BYTES + 2 * (AT_ONCE + 2) * VARINT_MAX];
};

/* --- frames --------------------------------------------------------------- */

static void put_frame(struct recorder *rec, struct frame_head *h,
		      const void *bytes)
{
	fwrite(h, sizeof(*h), 1, rec->out);
	fwrite(bytes, 1, h->stored, rec->out);
}

/* As it is, if it gets no smaller. */
static void put_packed(struct recorder *rec, uint32_t kind, uint32_t thread,
		       const void *bytes, size_t n)
{
	size_t most = rec->zstd->ZSTD_compressBound(n), packed;
	struct frame_head h = { .kind = kind, .thread = thread };

	buf_reset(&rec->packed);
	packed = rec->zstd->ZSTD_compressCCtx(rec->zstd_context,
					      buf_reserve(&rec->packed, most),
					      most, bytes, n, LEVEL);
	if (rec->zstd->ZSTD_isError(packed) || packed >= n) {
		h.stored = (uint32_t)n;
		put_frame(rec, &h, bytes);
		return;
	}
	h.stored = (uint32_t)packed;
	h.raw = (uint32_t)n;
	put_frame(rec, &h, rec->packed.data);
}

static void put_number(struct buf *b, uint64_t v)
{
	uint8_t bytes[VARINT_MAX];

	buf_put(b, bytes, (size_t)(put_varint(bytes, v) - bytes));
}

/* What was gathered in scratch. */
static void put_scratch(struct recorder *rec, uint32_t kind, uint32_t thread)
{
	put_packed(rec, kind, thread, rec->scratch.data, rec->scratch.len);
	buf_reset(&rec->scratch);
}

/* --- what paths name ------------------------------------------------------ */

static void write_objects(struct recorder *rec)
{
	while (rec->objects < rec->story->n_objects) {
		const struct story_object *o =
			&rec->story->objects[++rec->objects];

		put_number(&rec->scratch, o->base);
		put_number(&rec->scratch, o->size);
		put_number(&rec->scratch, o->offset);
		buf_puts(&rec->scratch, o->path);
		put_scratch(rec, FRAME_OBJECT, 0);
	}
}

/* It may be known late: a file that is read has it. */
static void write_command(struct recorder *rec)
{
	const char *command = rec->story->command;

	if (rec->command || !command || !*command)
		return;
	rec->command = true;
	buf_puts(&rec->scratch, command);
	put_scratch(rec, FRAME_COMMAND, 0);
}

static void put_block(struct buf *out, const struct story_block *b)
{
	put_number(out, place_object(b->begin));
	put_number(out, place_offset(b->begin));
	put_number(out, b->last - b->begin);
	put_number(out, b->bytes);
	put_number(out, b->instructions);
	put_number(out, b->end);
	if (place_object(b->begin))
		return;
	put_number(out, b->image);
	put_number(out, b->code != NULL);
	if (b->code)
		buf_put(out, b->code, b->bytes);
}

static void write_blocks(struct recorder *rec)
{
	write_command(rec);
	write_objects(rec);
	while (rec->blocks < rec->story->n_blocks) {
		while (rec->blocks < rec->story->n_blocks &&
		       rec->scratch.len < PATH_BYTES)
			put_block(&rec->scratch,
				  &rec->story->blocks[++rec->blocks]);
		put_scratch(rec, FRAME_BLOCKS, 0);
	}
}

static void put_way(struct recorder *rec, uint32_t way, uint32_t *last)
{
	const uint32_t *blocks = story_blocks(rec->story, way);
	uint32_t n = rec->story->ways[way].n;

	put_number(&rec->scratch, n);
	for (uint32_t i = 0; i < n; i++) {
		put_number(&rec->scratch,
			   zigzag((int64_t)blocks[i] - (int64_t)*last));
		*last = blocks[i];
	}
}

static void write_ways(struct recorder *rec)
{
	write_blocks(rec);
	while (rec->ways < rec->story->n_ways) {
		uint32_t last = 0;

		while (rec->ways < rec->story->n_ways &&
		       rec->scratch.len < PATH_BYTES)
			put_way(rec, ++rec->ways, &last);
		put_scratch(rec, FRAME_WAYS, 0);
	}
}

static void take_mapping(void *user, uint32_t image,
			 const struct story_mapping *m)
{
	struct recorder *rec = user;

	write_objects(rec);
	put_number(&rec->scratch, image);
	put_number(&rec->scratch, m->object);
	put_number(&rec->scratch, m->base);
	put_number(&rec->scratch, m->size);
	put_scratch(rec, FRAME_MAPPING, 0);
}

/* --- paths ---------------------------------------------------------------- */

static void flush(struct recorder *rec, struct story_thread *th)
{
	struct recorded *t = th->of[rec->slot];

	if (t->hits)
		t->end = put_varint(t->end, t->hits);
	t->hits = 0;
	t->time = 0;
	if (t->end == t->bytes)
		return;
	write_ways(rec);
	put_packed(rec, FRAME_PATH, th->number, t->bytes,
		   (size_t)(t->end - t->bytes));
	t->end = t->bytes;
	fflush(rec->out);
}

static void flush_all(struct recorder *rec)
{
	const struct map *m = &rec->story->threads;

	for (size_t i = 0; m->count && i <= m->mask; i++) {
		struct story_thread *th = m->slots[i].value;

		if (m->slots[i].key && th->of[rec->slot])
			flush(rec, th);
	}
}

static struct recorded *recorded(struct recorder *rec, struct story_thread *th)
{
	struct recorded *t = th->of[rec->slot];

	if (t)
		return t;
	t = th->of[rec->slot] = xcalloc(1, sizeof(*t));
	t->rec = rec;
	t->end = t->bytes;
	put_number(&rec->scratch, th->image);
	put_number(&rec->scratch, (uint64_t)th->id.pid);
	put_number(&rec->scratch, (uint64_t)th->id.tid);
	put_scratch(rec, FRAME_THREAD, th->number);
	return t;
}

static void put_escape(struct recorded *t, enum path_escape escape)
{
	t->end = put_varint(t->end, t->hits);
	t->hits = 0;
	t->end = put_varint(t->end, 0);
	t->end = put_varint(t->end, escape);
}

static void put_time(struct recorded *t, int64_t now)
{
	put_escape(t, ESCAPE_TIME);
	t->end = put_varint(t->end, zigzag(now - t->time));
	t->time = now;
}

/* There are hundreds of millions in a second: what it uses is at hand. */
static void put_ways(struct recorded *t, const uint32_t *ways, size_t n)
{
	struct predictor *p = &t->predictor;
	uint64_t context = p->context, hits = t->hits;
	uint8_t *end = t->end;

	for (size_t i = 0; i < n; i++) {
		uint32_t *slot = predictor_slot(p, context), way = ways[i];

		if (*slot == way) {
			hits++;
		} else {
			*slot = way;
			end = put_varint(end, hits);
			end = put_varint(end,
					 1 + zigzag((int64_t)way -
						    predictor_last(context)));
			hits = 0;
		}
		context = predictor_moved(context, way);
	}
	p->context = context;
	t->hits = hits;
	t->end = end;
}

static void take_ways(void *user, struct story_thread *th, const uint32_t *ways,
		      size_t n)
{
	struct recorder *rec = user;
	struct recorded *t = recorded(rec, th);

	if (t->time != th->until)
		put_time(t, th->until);
	for (size_t i = 0; i < n; i += AT_ONCE) {
		put_ways(t, ways + i, n - i < AT_ONCE ? n - i : AT_ONCE);
		if (t->end - t->bytes >= PATH_BYTES ||
		    t->hits > HITS_MAX - AT_ONCE)
			flush(rec, th);
	}
	if (th->until - rec->flushed > EVERY_NS) {
		flush_all(rec);
		rec->flushed = th->until;
	}
}

static void make_room(struct recorder *rec, struct story_thread *th)
{
	struct recorded *t = recorded(rec, th);

	if (t->end - t->bytes >= PATH_BYTES)
		flush(rec, th);
}

static void take_cut(void *user, struct story_thread *th, uint32_t instructions)
{
	struct recorded *t = recorded(user, th);

	make_room(user, th);
	put_escape(t, ESCAPE_CUT);
	t->end = put_varint(t->end, instructions);
}

static void take_lost(void *user, struct story_thread *th)
{
	make_room(user, th);
	put_escape(recorded(user, th), ESCAPE_LOST);
}

static void take_end(void *user, struct story_thread *th)
{
	struct recorder *rec = user;

	if (!th->of[rec->slot])
		return;
	flush(rec, th);
	put_number(&rec->scratch, 0);
	put_scratch(rec, FRAME_END, th->number);
	fflush(rec->out);
	free(th->of[rec->slot]);
	th->of[rec->slot] = NULL;
}

/* Threads that are still to end have nothing to come. */
static void take_killed(void *user, const struct story_death *d)
{
	struct recorder *rec = user;

	put_number(&rec->scratch, (uint64_t)d->who.pid);
	put_number(&rec->scratch, (uint64_t)d->who.tid);
	put_number(&rec->scratch, (uint64_t)d->signal);
	put_number(&rec->scratch, d->known);
	put_number(&rec->scratch, d->pc);
	put_scratch(rec, FRAME_KILLED, 0);
	fflush(rec->out);
}

/* --- the format ----------------------------------------------------------- */

static void put_head(struct recorder *rec)
{
	struct tracefile_head h = { .version = TRACEFILE_VERSION };

	memcpy(h.magic, TRACEFILE_MAGIC, sizeof(h.magic));
	fwrite(&h, sizeof(h), 1, rec->out);
	fflush(rec->out);
}

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	struct recorder *rec;

	if (!zstd()) {
		err_set(e, -ENOSYS, "a trace file takes libzstd.so.1");
		return NULL;
	}
	rec = xcalloc(1, sizeof(*rec));
	rec->story = s;
	rec->zstd = zstd();
	rec->zstd_context = rec->zstd->ZSTD_createCCtx();
	rec->out = args->out;
	rec->slot = story_add_sink(s, &(struct story_sink){
					      .mapping = take_mapping,
					      .ways = take_ways,
					      .cut = take_cut,
					      .lost = take_lost,
					      .end = take_end,
					      .killed = take_killed,
					      .user = rec,
				      });
	put_head(rec);
	return rec;
}

static void write_rest(void *state, FILE *out)
{
	(void)out;
	flush_all(state);
}

static void free_recorder(void *state)
{
	struct recorder *rec = state;

	rec->zstd->ZSTD_freeCCtx(rec->zstd_context);
	buf_fini(&rec->packed);
	buf_fini(&rec->scratch);
	free(rec);
}

const struct format format_record = {
	.name = "record",
	.help = "a trace file of our own, for tracestub report",
	.stream = true,
	.begin = begin,
	.write = write_rest,
	.free = free_recorder,
};
