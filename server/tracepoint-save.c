/* A trace file on this host (manual, "Trace File Format"). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/packet.h"
#include "server/session.h"
#include "server/xfer.h"

#define MAGIC "\x7fTRACE0\n"

/* Strings that are ended by zeros, as lines. */
static void put_lines(const char *prefix, const struct buf *strings,
		      struct buf *out)
{
	for (size_t at = 0; at < strings->len;
	     at += strlen(strings->data + at) + 1)
		buf_printf(out, "%s%s\n", prefix, strings->data + at);
}

static void put_points(const struct tracing *tr, struct buf *out)
{
	const struct trace_variable *v;
	const struct tracepoint *tp;
	struct buf strings = { 0 };

	list_each(v, &tr->variables, node)
		trace_put_variable(v, &strings);
	put_lines("tsv ", &strings, out);
	buf_reset(&strings);
	list_each(tp, &tr->points, node) {
		trace_put_definition(tp, &strings);
		buf_printf(&strings, "V%x:%lx:%lx:%lx", tp->number, tp->addr,
			   tp->hits, tp->usage);
		buf_putc(&strings, '\0');
	}
	put_lines("tp ", &strings, out);
	buf_fini(&strings);
}

/* What gdb makes of the registers of frames, line by line. */
static void put_description(struct session *s, struct buf *out)
{
	struct buf xml = { 0 };
	char *line, *rest;

	if (session_process(s) && make_features(s, "target.xml", &xml) >= 0) {
		rest = buf_str(&xml);
		while ((line = strsep(&rest, "\n"))) {
			if (*line)
				buf_printf(out, "tdesc %s\n", line);
		}
	}
	buf_fini(&xml);
}

/* Nobody is waited for who might read a FIFO. */
static FILE *open_file(const char *path)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK;
	int fd = open(path, flags, 0666);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int write_file(const char *path, const struct buf *head,
		      const struct trace_buffer *b)
{
	static const uint8_t end[4];
	const uint8_t *at = NULL;
	size_t n = trace_buffer_bytes(b, 0, trace_buffer_used(b), &at);
	FILE *f = open_file(path);
	bool done;

	if (!f)
		return -errno;
	done = fwrite(head->data, 1, head->len, f) == head->len &&
	       fwrite(at, 1, n, f) == n &&
	       fwrite(end, 1, sizeof(end), f) == sizeof(end);
	if (fclose(f) || !done)
		return errno ? -errno : -EIO;
	return 0;
}

int pk_trace_save(struct session *s, struct args *a, struct buf *out)
{
	struct tracing *tr = &s->tracer.tr;
	struct buf head = { 0 };
	char *path;
	int r;

	if (!take_hex_string(a, 4096, &path))
		return -EPROTO;
	fast_settle(s);
	buf_puts(&head, MAGIC);
	buf_printf(&head, "R %zx\nstatus ", tr->regs_size);
	trace_put_status(s, &head);
	buf_putc(&head, '\n');
	put_points(tr, &head);
	put_description(s, &head);
	buf_putc(&head, '\n');
	r = write_file(path, &head, &tr->buffer);
	if (r < 0)
		err_set(&s->err, r, "cannot write %s: %s", path, strerror(-r));
	buf_fini(&head);
	free(path);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}
