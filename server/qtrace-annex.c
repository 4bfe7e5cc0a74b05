/*
 * qXfer:qtrace:read: what was recorded, as documents and files. They can be
 * read at any time, and after the program's end.
 */
#include "server/qtrace-record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rsp/frame.h"
#include "server/xfer.h"

/* Writes the document to f, or returns an error, with its text in s->err. */
typedef int annex_fn(struct session *s, FILE *f);

static int write_events(struct session *s, FILE *f)
{
	struct qtrace *q = qtrace_of(s);

	qtrace_catch_up(q);
	if (!q->events.n_threads)
		return err_set(&s->err, -ENODATA,
			       "no events are recorded yet: follow with "
			       "mode=trace;events=...");
	kept_write(&q->events, f);
	return 0;
}

static int write_maps(struct session *s, FILE *f)
{
	struct qtrace *q = qtrace_of(s);

	qtrace_catch_up(q);
	kept_write_maps(&q->events, f);
	return 0;
}

static void write_counter(void *user, const char *name, const char *text,
			  uint64_t value)
{
	fprintf(user, "%lu %s: %s\n", value, name, text);
}

static int write_stats(struct session *s, FILE *f)
{
	translate_stats_each(s->target, write_counter, f);
	return 0;
}

typedef void hits_fn(struct hits *h, FILE *f);

static int write_hits(struct session *s, FILE *f, hits_fn *fn)
{
	struct hits h = { 0 };
	int r = 0;

	qtrace_hits(qtrace_of(s), &h);
	if (h.n_blocks)
		fn(&h, f);
	else
		r = err_set(&s->err, -ENODATA,
			    "no blocks are recorded: follow with mode=coverage "
			    "or mode=count");
	hits_fini(&h);
	return r;
}

static int write_blocks(struct session *s, FILE *f)
{
	return write_hits(s, f, hits_write_counts);
}

static void as_drcov(struct hits *h, FILE *f)
{
	hits_write_drcov(h, f);
}

static int write_drcov(struct session *s, FILE *f)
{
	return write_hits(s, f, as_drcov);
}

static void write_values(void *user, const struct values *v)
{
	FILE *f = user;

	fprintf(f, "%x %d %lx", (unsigned)v->rule, v->who.tid, v->pc);
	for (uint32_t i = 0; i < v->n; i++) {
		if (v->failed & 1u << i)
			fputs(" ?", f);
		else
			fprintf(f, " %lx", (unsigned long)v->all[i]);
	}
	fputc('\n', f);
}

static int write_probes(struct session *s, FILE *f)
{
	const struct collected *c = &qtrace_of(s)->values;

	qtrace_catch_up(s->trace);
	if (c->lost)
		fprintf(f, "# lost %lu\n", c->lost);
	collected_each(c, write_values, f);
	return 0;
}

static int write_callgrind(struct session *s, FILE *f)
{
	return record_write(qtrace_of(s), "callgrind", f, &s->err);
}

static int write_folded(struct session *s, FILE *f)
{
	return record_write(qtrace_of(s), "folded", f, &s->err);
}

static int write_timeline(struct session *s, FILE *f)
{
	return record_write(qtrace_of(s), "perfetto", f, &s->err);
}

static int write_record(struct session *s, FILE *f)
{
	return record_write_raw(qtrace_of(s), f, &s->err);
}

static const struct {
	const char *name;
	annex_fn *write;
} annexes[] = {
	{ "events", write_events },
	{ "blocks", write_blocks },
	{ "stats", write_stats },
	{ "coverage.drcov", write_drcov },
	{ "profile.callgrind", write_callgrind },
	{ "stacks.folded", write_folded },
	{ "timeline.json", write_timeline },
	{ "record", write_record },
	{ "probes", write_probes },
	{ "maps", write_maps },
};

void put_annexes(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(annexes); i++)
		buf_printf(out, "%s%s", i ? "," : "", annexes[i].name);
}

int verb_recorded(struct session *s, struct args *a, struct buf *out)
{
	const struct qtrace *q = qtrace_of(s);
	uint64_t events = 0, lost = 0, kept, cut;

	if (!take_end(a))
		return -EPROTO;
	qtrace_catch_up(s->trace);
	for (size_t i = 0; i < q->events.n_threads; i++) {
		events += q->events.threads[i]->n;
		lost += q->events.threads[i]->lost;
	}
	record_sizes(q, &kept, &cut);
	buf_printf(out, "events=%lx;events-lost=%lx;values-lost=%lx;", events,
		   lost, q->values.lost);
	buf_printf(out, "record-bytes=%lx;record-bytes-lost=%lx;", kept, cut);
	return 0;
}

int verb_read(struct session *s, struct args *a, struct buf *out)
{
	struct args annex;
	uint64_t off, len;
	int r;

	if (!take_word(a, ";", &annex) || !take_char(a, ';') ||
	    !take_hex(a, &off) || !take_char(a, ',') || !take_hex(a, &len) ||
	    !take_end(a))
		return err_set(&s->err, -EINVAL,
			       "what, and what of it? ANNEX;OFFSET,LENGTH");
	r = xfer_document(s, "qtrace", &annex, off);
	if (r < 0)
		return r;
	if (off > s->document.text.len)
		off = s->document.text.len;
	if (len > s->document.text.len - off)
		len = s->document.text.len - off;
	if (len > RSP_PACKET_MAX / 4)
		len = RSP_PACKET_MAX / 4;
	buf_putc(out, off + len < s->document.text.len ? 'm' : 'l');
	buf_put_hex(out, s->document.text.data + off, len);
	return 0;
}

static annex_fn *find(struct session *s, const char *name)
{
	struct buf all = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(annexes); i++) {
		if (!strcmp(annexes[i].name, name))
			return annexes[i].write;
	}
	put_annexes(&all);
	err_set(&s->err, -ENOENT, "no such annex; there are %s", buf_str(&all));
	buf_fini(&all);
	return NULL;
}

int make_trace(struct session *s, const char *annex, struct buf *out)
{
	annex_fn *write = find(s, annex);
	size_t len = 0;
	char *text = NULL;
	FILE *f;
	int r;

	if (!write)
		return -ENOENT;
	f = open_memstream(&text, &len);
	if (!f)
		return -errno;
	r = write(s, f);
	if (fclose(f) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0)
		buf_put(out, text, len);
	free(text);
	return r;
}
