#include "trace/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "trace/lazy.h"
#include "trace/tracefile.h"

#define AT_ONCE 4096 /* ways that are told together */

#define IMAGES_MAX (1u << 20) /* more of them is damage */

/* Numbers of the file, and what they are in the story: a list of each kind. */
struct numbers {
	uint32_t *all;
	size_t n, cap;
};

struct reader {
	struct story *story;
	const struct zstd *zstd;
	ZSTD_DCtx *zstd_context;
	struct numbers objects, images, blocks, ways;
	struct map threads; /* number -> struct read_thread */
	struct buf raw;
};

struct read_thread {
	struct predictor predictor; /* of the file's numbers */
	struct story_thread *th;
	uint32_t n;
	uint32_t ways[AT_ONCE];
};

static int bad(struct err *e, const char *what)
{
	return err_set(e, -EINVAL, "%s", what);
}

static void number_add(struct numbers *l, uint32_t v)
{
	GROW(l->all, l->n, l->cap, 64);
	l->all[l->n++] = v;
}

/* 0 is 0, and what is not there is too. */
static uint32_t number_at(const struct numbers *l, uint64_t i)
{
	return i && i <= l->n ? l->all[i - 1] : 0;
}

/* --- what paths name ------------------------------------------------------ */

static int take_command(struct reader *r, struct span_reader *in, struct err *e)
{
	(void)e;
	free(r->story->command);
	r->story->command =
		xstrndup((const char *)in->at, (size_t)(in->end - in->at));
	return 0;
}

static int take_object(struct reader *r, struct span_reader *in, struct err *e)
{
	uint64_t base = take_varint(in), size = take_varint(in);
	uint64_t offset = take_varint(in);
	char *path;

	if (in->bad)
		return bad(e, "a module is cut off");
	path = xstrndup((const char *)in->at, (size_t)(in->end - in->at));
	number_add(&r->objects,
		   story_object(r->story, path, base, size, offset));
	free(path);
	return 0;
}

/* Images come in no order. */
static uint32_t image_at(struct reader *r, uint64_t n)
{
	while (r->images.n < n && n < IMAGES_MAX)
		number_add(&r->images, story_image_add(r->story));
	return number_at(&r->images, n);
}

static int take_mapping(struct reader *r, struct span_reader *in, struct err *e)
{
	uint32_t image = image_at(r, take_varint(in));
	struct story_mapping m = { .object = number_at(&r->objects,
						       take_varint(in)) };

	m.base = take_varint(in);
	m.size = take_varint(in);
	if (in->bad || !image || !m.object)
		return bad(e, "a mapping is of nothing known");
	story_map(r->story, image, &m);
	return 0;
}

static int take_code(struct span_reader *in, struct story_block *b)
{
	if (!take_varint(in))
		return 0;
	if ((size_t)(in->end - in->at) < b->bytes)
		return -EINVAL;
	b->code = (uint8_t *)in->at;
	in->at += b->bytes;
	return 0;
}

static int take_block(struct reader *r, struct span_reader *in)
{
	uint64_t object = take_varint(in), offset = take_varint(in);
	uint64_t last = take_varint(in), bytes = take_varint(in);
	uint64_t instructions = take_varint(in), end = take_varint(in);
	uint32_t mine = number_at(&r->objects, object), image = 0;
	struct story_block b = { 0 };

	if (in->bad || bytes > STORY_BLOCK_BYTES_MAX || last > bytes ||
	    offset > PLACE_OFFSET - bytes || instructions > bytes ||
	    end >= N_ENDS || (object && !mine))
		return -EINVAL;
	b.begin = (uint64_t)mine << PLACE_SHIFT | offset;
	b.last = b.begin + last;
	b.bytes = (uint32_t)bytes;
	b.instructions = (uint32_t)instructions;
	b.end = (uint8_t)end;
	if (!object) {
		image = image_at(r, take_varint(in));
		if (take_code(in, &b) < 0 || !image)
			return -EINVAL;
	}
	number_add(&r->blocks, story_block(r->story, image, &b));
	return in->bad ? -EINVAL : 0;
}

static int take_blocks(struct reader *r, struct span_reader *in, struct err *e)
{
	while (in->at < in->end) {
		if (take_block(r, in) < 0)
			return bad(e, "a block is none");
	}
	return 0;
}

static int take_way(struct reader *r, struct span_reader *in, uint64_t *last)
{
	uint64_t n = take_varint(in);
	uint32_t blocks[STORY_WAY_MOST];

	if (!n || n > STORY_WAY_MOST)
		return -EINVAL;
	for (uint64_t i = 0; i < n; i++) {
		*last += (uint64_t)unzigzag(take_varint(in));
		blocks[i] = number_at(&r->blocks, *last);
		if (!blocks[i] || in->bad)
			return -EINVAL;
	}
	number_add(&r->ways, story_way(r->story, blocks, n));
	return 0;
}

static int take_ways(struct reader *r, struct span_reader *in, struct err *e)
{
	uint64_t last = 0;

	while (in->at < in->end) {
		if (take_way(r, in, &last) < 0)
			return bad(e, "a way is none");
	}
	return 0;
}

static void end_thread(struct reader *r, uint32_t number)
{
	struct read_thread *t = map_drop(&r->threads, number);

	story_thread_end(r->story, t->th);
	free(t);
}

/* Its id may have been another's, whose end is not in the file. */
static void end_same(struct reader *r, struct ptid who)
{
	struct story_thread *th = story_thread_find(r->story, who);
	const struct map *m = &r->threads;

	for (size_t i = 0; th && m->count && i <= m->mask; i++) {
		const struct read_thread *t = m->slots[i].value;

		if (m->slots[i].key && t->th == th) {
			end_thread(r, (uint32_t)m->slots[i].key);
			return;
		}
	}
}

static int take_thread(struct reader *r, struct span_reader *in,
		       uint32_t number, struct err *e)
{
	uint32_t image = image_at(r, take_varint(in));
	struct read_thread *t;
	struct ptid who;

	who.pid = (pid_t)take_varint(in);
	who.tid = (pid_t)take_varint(in);
	if (in->bad || !image || who.tid <= 0 || !number ||
	    map_find(&r->threads, number))
		return bad(e, "a thread is none");
	end_same(r, who);
	t = xcalloc(1, sizeof(*t));
	t->th = story_thread_add(r->story, image, who);
	map_set(&r->threads, number, t);
	return 0;
}

/* --- paths ---------------------------------------------------------------- */

static void tell(struct reader *r, struct read_thread *t)
{
	if (t->n)
		story_path(r->story, t->th, t->ways, t->n);
	t->n = 0;
}

static int take_one(struct reader *r, struct read_thread *t, uint64_t way)
{
	uint32_t mine = number_at(&r->ways, way);
	struct predictor *p = &t->predictor;

	if (!mine)
		return -EINVAL;
	*predictor_slot(p, p->context) = (uint32_t)way;
	p->context = predictor_moved(p->context, (uint32_t)way);
	t->ways[t->n++] = mine;
	if (t->n == AT_ONCE)
		tell(r, t);
	return 0;
}

static int take_escape(struct reader *r, struct read_thread *t,
		       struct span_reader *in, int64_t *time)
{
	uint64_t instructions;

	tell(r, t);
	switch (take_varint(in)) {
	case ESCAPE_TIME:
		if (__builtin_add_overflow(*time, unzigzag(take_varint(in)),
					   time))
			return -EINVAL;
		story_time(r->story, t->th, *time);
		return 0;
	case ESCAPE_CUT:
		instructions = take_varint(in);
		if (instructions > STORY_BLOCK_BYTES_MAX)
			return -EINVAL;
		story_cut(r->story, t->th, (uint32_t)instructions);
		return 0;
	case ESCAPE_LOST:
		story_lost(r->story, t->th);
		return 0;
	default:
		return -EINVAL;
	}
}

static int take_miss(struct reader *r, struct read_thread *t,
		     struct span_reader *in, int64_t *time)
{
	uint64_t miss = take_varint(in);

	if (!miss)
		return take_escape(r, t, in, time);
	return take_one(r, t,
			predictor_last(t->predictor.context) +
				(uint64_t)unzigzag(miss - 1));
}

static int take_hits(struct reader *r, struct read_thread *t, uint64_t hits)
{
	const struct predictor *p = &t->predictor;
	int err = hits > HITS_MAX ? -EINVAL : 0;

	for (; hits && !err; hits--)
		err = take_one(r, t,
			       *predictor_slot(&t->predictor, p->context));
	return err;
}

static int take_path(struct reader *r, struct span_reader *in, uint32_t number,
		     struct err *e)
{
	struct read_thread *t = map_find(&r->threads, number);
	int64_t time = 0;
	int err = t ? 0 : -EINVAL;

	while (!err && in->at < in->end) {
		err = take_hits(r, t, take_varint(in));
		if (!err && in->at < in->end)
			err = take_miss(r, t, in, &time);
		err = in->bad ? -EINVAL : err;
	}
	if (t)
		tell(r, t);
	return err ? bad(e, "a path is of no way") : 0;
}

static int take_end(struct reader *r, uint32_t number, struct err *e)
{
	if (!map_find(&r->threads, number))
		return bad(e, "a thread ends that never began");
	end_thread(r, number);
	return 0;
}

static int take_killed(struct reader *r, struct span_reader *in, struct err *e)
{
	struct story_death d = { 0 };
	uint64_t signal;

	d.who.pid = (pid_t)take_varint(in);
	d.who.tid = (pid_t)take_varint(in);
	signal = take_varint(in);
	d.known = take_varint(in);
	d.pc = take_varint(in);
	if (in->bad || d.who.pid <= 0 || d.who.tid < 0 || !signal ||
	    signal >= NSIG)
		return bad(e, "a death is none");
	d.signal = (int)signal;
	story_killed(r->story, &d);
	return 0;
}

/* --- frames --------------------------------------------------------------- */

static int take_frame(struct reader *r, const struct frame_head *h,
		      struct span_reader *in, struct err *e)
{
	switch (h->kind) {
	case FRAME_COMMAND:
		return take_command(r, in, e);
	case FRAME_OBJECT:
		return take_object(r, in, e);
	case FRAME_MAPPING:
		return take_mapping(r, in, e);
	case FRAME_BLOCKS:
		return take_blocks(r, in, e);
	case FRAME_WAYS:
		return take_ways(r, in, e);
	case FRAME_THREAD:
		return take_thread(r, in, h->thread, e);
	case FRAME_PATH:
		return take_path(r, in, h->thread, e);
	case FRAME_END:
		return take_end(r, h->thread, e);
	case FRAME_KILLED:
		return take_killed(r, in, e);
	default:
		return 0; /* a later version's, which may be left out */
	}
}

/* Its bytes, decompressed. */
static int open_frame(struct reader *r, const struct frame_head *h,
		      const uint8_t *stored, struct span_reader *in)
{
	size_t n;

	*in = (struct span_reader){ .at = stored, .end = stored + h->stored };
	if (!h->raw)
		return 0;
	buf_reset(&r->raw);
	n = r->zstd->ZSTD_decompressDCtx(r->zstd_context,
					 buf_reserve(&r->raw, h->raw), h->raw,
					 stored, h->stored);
	if (r->zstd->ZSTD_isError(n) || n != h->raw)
		return -EINVAL;
	in->at = (const uint8_t *)r->raw.data;
	in->end = in->at + n;
	return 0;
}

static int read_frames(struct reader *r, const uint8_t *at, size_t n,
		       uint64_t *lost, struct err *e)
{
	struct span_reader in;
	struct frame_head h;
	int err;

	for (; n >= sizeof(h);
	     at += sizeof(h) + h.stored, n -= sizeof(h) + h.stored) {
		memcpy(&h, at, sizeof(h));
		if (h.stored > FRAME_MAX || h.raw > FRAME_MAX)
			return bad(e, "a frame is too long");
		if (h.stored > n - sizeof(h))
			break;
		if (open_frame(r, &h, at + sizeof(h), &in) < 0)
			return bad(e, "a frame cannot be decompressed");
		err = take_frame(r, &h, &in, e);
		if (err < 0)
			return err;
	}
	*lost = n;
	return 0;
}

/* Threads whose end is not in the file. */
static void end_threads(struct reader *r)
{
	for (size_t i = 0; r->threads.slots && i <= r->threads.mask; i++) {
		struct read_thread *t = r->threads.slots[i].value;

		if (!r->threads.slots[i].key)
			continue;
		story_thread_end(r->story, t->th);
		free(t);
	}
	map_fini(&r->threads);
}

static int read_trace(struct story *s, const char *bytes, size_t n,
		      uint64_t *lost, struct err *e)
{
	struct reader r = { .story = s, .zstd = zstd() };
	struct tracefile_head h;
	int err;

	memcpy(&h, bytes, sizeof(h));
	if (h.version != TRACEFILE_VERSION)
		return err_set(e, -EINVAL, "its version is %u, not %u",
			       h.version, TRACEFILE_VERSION);
	if (!r.zstd)
		return bad(e, "a trace file takes libzstd.so.1");
	r.zstd_context = r.zstd->ZSTD_createDCtx();
	err = read_frames(&r, (const uint8_t *)bytes + sizeof(h), n - sizeof(h),
			  lost, e);
	end_threads(&r);
	r.zstd->ZSTD_freeDCtx(r.zstd_context);
	free(r.objects.all);
	free(r.images.all);
	free(r.blocks.all);
	free(r.ways.all);
	buf_fini(&r.raw);
	return err;
}

int story_read_bytes(struct story *s, const char *bytes, size_t n,
		     uint64_t *lost, struct err *e)
{
	static const char magic[] = TRACEFILE_MAGIC;

	*lost = 0;
	if (n >= sizeof(magic) - 1 &&
	    !memcmp(bytes, magic, sizeof(magic) - 1)) {
		if (n < sizeof(struct tracefile_head))
			return bad(e, "it is cut off within its head");
		return read_trace(s, bytes, n, lost, e);
	}
	if (n > 6 && !memcmp(bytes, "DRCOV ", 6))
		return story_read_drcov(s, bytes, n, e);
	return bad(e, "this is neither a trace file nor drcov");
}

int story_read(struct story *s, const char *path, uint64_t *lost, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "%m");
	if (!st.st_size) {
		close(fd);
		return bad(e, "it is empty");
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return err_set(e, -errno, "%m");
	err = story_read_bytes(s, bytes, (size_t)st.st_size, lost, e);
	munmap(bytes, (size_t)st.st_size);
	return err;
}
