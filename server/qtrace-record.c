#include "server/qtrace-record.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "trace/feed.h"
#include "trace/format.h"
#include "trace/reader.h"
#include "translate/flow.h"

struct record {
	struct story *story;
	struct feed feed;
	struct flow_sink sink;
	void *recorder; /* the state of format_record */
	FILE *file;	/* that writes to bytes */
	struct buf bytes;
	uint64_t most, lost;
};

/* A file that was cut off can be read up to there: so all behind what had no
 * room goes, too. */
static ssize_t keep(void *cookie, const char *data, size_t n)
{
	struct record *r = cookie;

	if (r->lost || r->bytes.len + n > r->most)
		r->lost += n;
	else
		buf_put(&r->bytes, data, n);
	return (ssize_t)n;
}

static void record_free(struct record *r)
{
	story_finish(r->story);
	if (r->recorder)
		format_record.free(r->recorder);
	feed_fini(&r->feed);
	story_free(r->story);
	fclose(r->file);
	buf_fini(&r->bytes);
	free(r);
}

static struct record *record_new(uint64_t most, struct err *e)
{
	const cookie_io_functions_t io = { .write = keep };
	struct record *r = xcalloc(1, sizeof(*r));
	struct format_args args = { 0 };

	r->most = most;
	r->story = story_new();
	feed_init(&r->feed, r->story, &r->sink);
	r->file = fopencookie(r, "w", io);
	if (!r->file)
		abort();
	args.out = r->file;
	r->recorder = format_record.begin(r->story, &args, e);
	if (r->recorder)
		return r;
	record_free(r);
	return NULL;
}

int record_begin(struct qtrace *q, uint64_t most, struct err *e)
{
	if (!q->record)
		q->record = record_new(most ? most : RECORD_DEFAULT, e);
	if (!q->record)
		return -ENOSYS;
	if (most)
		q->record->most = most;
	translate_set_flow(q->target, &q->record->sink, FLOW_ALL);
	return 0;
}

void record_end(struct qtrace *q)
{
	static const struct flow_sink nobody;

	if (!q->record)
		return;
	translate_set_flow(q->target, &nobody, FLOW_ALL);
	record_free(q->record);
	q->record = NULL;
}

/* What stopped threads have executed, and all that is on its way. Nothing comes
 * behind that until it is released. */
static int catch_up(struct qtrace *q, struct err *e)
{
	struct thread *th = NULL;
	struct process *p;

	if (!q->record)
		return err_set(e, -ENODATA,
			       "nothing is recorded: follow with mode=flow");
	translate_flow_hold(q->target);
	while ((th = thread_next(q->target, th))) {
		p = th->proc;
		if (!th->running && translate_space(p) &&
		    translate_mode(translate_space(p)) == MODE_FLOW)
			translate_flow_read(q->target, th);
	}
	format_record.write(q->record->recorder, q->record->file);
	fflush(q->record->file);
	return 0;
}

int record_write_raw(struct qtrace *q, FILE *out, struct err *e)
{
	int r = catch_up(q, e);

	if (r < 0)
		return r;
	fwrite(q->record->bytes.data, 1, q->record->bytes.len, out);
	translate_flow_release(q->target);
	return 0;
}

int record_write(struct qtrace *q, const char *name, FILE *out, struct err *e)
{
	const struct format *f = format_find(name);
	struct format_args args = { .out = out };
	struct story *s;
	uint64_t cut;
	void *state;
	int r = catch_up(q, e);

	if (r < 0)
		return r;
	s = story_new();
	state = f->begin(s, &args, e);
	r = state ? story_read_bytes(s, q->record->bytes.data,
				     q->record->bytes.len, &cut, e)
		  : -ENOSYS;
	if (state && r == 0)
		f->write(state, out);
	if (state)
		f->free(state);
	story_free(s);
	translate_flow_release(q->target);
	return r;
}

void record_sizes(const struct qtrace *q, uint64_t *kept, uint64_t *lost)
{
	*kept = q->record ? q->record->bytes.len : 0;
	*lost = q->record ? q->record->lost : 0;
}
