/*
 * Objects in pieces: gdb manual, "General Query Packets", qXfer. Most are
 * documents that are made whole when a client begins to read at offset 0, and
 * kept for the pieces that follow.
 */
#include "server/xfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rsp/binary.h"
#include "rsp/frame.h"
#include "server/btrace.h"
#include "server/lldb-regs.h"
#include "server/osdata.h"
#include "server/packet.h"
#include "server/session.h"
#include "server/svr4.h"
#include "xml/xml.h"

/* --- documents ----------------------------------------------------------- */

int make_features(struct session *s, const char *annex, struct buf *out)
{
	struct process *p = session_process(s);
	struct xml_target t;

	if (strcmp(annex, "target.xml"))
		return -ENOENT;
	if (!p)
		return -ESRCH;
	if (s->lldb.on) {
		lldb_put_target(lldb_regs_of(s, session_thread(s)), out);
		return 0;
	}
	s->client.descriptions = true;
	t = (struct xml_target){
		.arch = p->arch->name,
		.osabi = p->arch->osabi,
		.types = p->arch->types,
		.n_types = p->arch->n_types,
		.regs = p->arch->regs,
		.n_regs = p->arch->n_regs,
	};
	xml_target_put(out, &t);
	return 0;
}

/* What pthread_self() returns: in glibc and musl, the thread pointer. It
 * stays the same, and is 0 before the program sets it. */
static const void *handle_of(struct session *s, struct thread *th)
{
	if (!th->handle && !th->running &&
	    s->target->ops->thread_pointer(s->target, th, &th->handle) < 0)
		th->handle = 0;
	return &th->handle;
}

static int make_threads(struct session *s, const char *annex, struct buf *out)
{
	const struct target_ops *ops = s->target->ops;
	struct buf id = { 0 };
	struct thread *th = NULL;
	char name[64];

	if (*annex)
		return -ENOENT;
	xml_threads_begin(out);
	while ((th = thread_next(s->target, th))) {
		struct xml_thread x = { .name = name };

		buf_reset(&id);
		put_ptid(s, th->id, &id);
		x.id = buf_str(&id);
		x.core = ops->thread_core(s->target, th);
		x.handle = handle_of(s, th);
		x.handle_len = th->handle ? th->proc->arch->word : 0;
		ops->thread_name(s->target, th, name, sizeof(name));
		xml_threads_add(out, &x);
	}
	xml_threads_end(out);
	buf_fini(&id);
	return 0;
}

static int make_libraries(struct session *s, const char *annex, struct buf *out)
{
	struct process *p = session_process(s);
	struct svr4_list list = { 0 };
	struct svr4_query query;
	int r;

	if (!p)
		return -ESRCH;
	r = svr4_query_take(annex, &query);
	if (r < 0)
		return r;
	r = svr4_list(s->target, p, &query, &list);
	if (r >= 0) {
		/* lldb takes main-lm for the address of a struct r_debug,
		 * and its tests know no lmid. */
		xml_libraries_begin(out, s->lldb.on ? 0 : list.main_lm);
		for (size_t i = 0; i < list.n; i++) {
			struct xml_library x = {
				.name = list.libs[i].name,
				.lm = list.libs[i].lm,
				.l_addr = list.libs[i].l_addr,
				.l_ld = list.libs[i].l_ld,
				.lmid = s->lldb.on ? 0 : list.libs[i].lmid,
			};

			xml_libraries_add(out, &x);
		}
		xml_libraries_end(out);
	}
	svr4_list_fini(&list);
	return r;
}

static int make_osdata(struct session *s, const char *annex, struct buf *out)
{
	struct osdata_table t = { 0 };
	const char **names, **cells;
	int r = osdata_read(&t, annex);

	(void)s;
	/* An empty document: gdb then says that there may be no such type. */
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	names = xcalloc(t.n_columns, sizeof(*names));
	cells = xcalloc(t.n_columns, sizeof(*cells));
	xml_osdata_begin(out, t.type);
	for (size_t col = 0; col < t.n_columns; col++)
		names[col] = osdata_column(&t, col);
	for (size_t row = 0; row < osdata_rows(&t); row++) {
		for (size_t col = 0; col < t.n_columns; col++)
			cells[col] = osdata_cell(&t, row, col);
		xml_osdata_add(out, names, cells, t.n_columns);
	}
	xml_osdata_end(out);
	free(names);
	free(cells);
	osdata_fini(&t);
	return 0;
}

/* The annex is the process's number, or empty. */
static int make_exec_file(struct session *s, const char *annex, struct buf *out)
{
	struct process *p = session_process(s);

	if (*annex)
		p = process_find(s->target, (pid_t)strtoul(annex, NULL, 16));
	if (!p)
		return -ESRCH;
	buf_puts(out, p->path);
	return 0;
}

static int read_object(struct session *s, enum object what, struct buf *out)
{
	const size_t piece = 4096;
	struct thread *th = session_thread(s);
	ssize_t n;

	if (!th)
		return -ESRCH;
	do {
		n = s->target->ops->object->read(s->target, th, what, out->len,
						 buf_reserve(out, piece),
						 piece);
		out->len += n > 0 ? (size_t)n : 0;
	} while (n == (ssize_t)piece);
	return n < 0 ? (int)n : 0;
}

static int make_auxv(struct session *s, const char *annex, struct buf *out)
{
	return *annex ? -ENOENT : read_object(s, OBJ_AUXV, out);
}

static int make_siginfo(struct session *s, const char *annex, struct buf *out)
{
	return *annex ? -ENOENT : read_object(s, OBJ_SIGINFO, out);
}

static int write_siginfo(struct session *s, uint64_t off,
			 const struct args *data)
{
	struct thread *th = session_thread(s);

	if (!th)
		return -ESRCH;
	return (int)s->target->ops->object->write(
		s->target, th, OBJ_SIGINFO, off, data->p, args_left(data));
}

/* --- the table ----------------------------------------------------------- */

static bool has_branches(const struct session *s)
{
	return s->target->ops->branch;
}

static const struct xfer_object {
	const char *name, *feature;
	int (*make)(struct session *s, const char *annex, struct buf *out);
	int (*write)(struct session *s, uint64_t off, const struct args *data);
	const char *help;			   /* for doc/packets.md */
	bool (*is_there)(const struct session *s); /* NULL: it always is */
	bool lldb_knows;			   /* see LLDB_KNOWS */
} objects[] = {
	{ "features", "qXfer:features:read+", make_features, NULL,
	  "the target description: `target.xml`", NULL, true },
	{ "auxv", "qXfer:auxv:read+", make_auxv, NULL,
	  "the kernel's auxiliary vector", NULL, true },
	{ "exec-file", "qXfer:exec-file:read+", make_exec_file, NULL,
	  "the program's path; the annex is a process", NULL, false },
	{ "threads", "qXfer:threads:read+", make_threads, NULL,
	  "threads with their names and cores", NULL, false },
	{ "libraries-svr4",
	  "qXfer:libraries-svr4:read+;augmented-libraries-svr4-read+",
	  make_libraries, NULL,
	  "shared libraries; the annex may name where to go on", NULL, true },
	{ "siginfo", "qXfer:siginfo:read+", make_siginfo, write_siginfo,
	  "the signal that the thread stopped with; written too", NULL, true },
	{ "osdata", "qXfer:osdata:read+", make_osdata, NULL,
	  "the tables of `info os`", NULL, false },
	{ "btrace", "qXfer:btrace:read+", make_btrace, NULL,
	  "the thread's last branches: `all`, `new`, or `delta`",
	  has_branches, false },
	{ "btrace-conf", "qXfer:btrace-conf:read+", make_btrace_conf, NULL,
	  "how many of them are kept", has_branches, false },
	{ "traceframe-info", "qXfer:traceframe-info:read+",
	  make_traceframe_info, NULL,
	  "what the selected trace frame has of memory and variables", NULL, false },
	{ "qtrace", "qXfer:qtrace:read+", make_trace, NULL,
	  "what the translator has recorded: see doc/qtrace.md", NULL, false },
};

#define PREFIX "qXfer:"

bool xfer_is_object(const char *name, size_t len)
{
	size_t n = strlen(PREFIX);

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (len == n + strlen(objects[i].name) &&
		    !memcmp(name, PREFIX, n) &&
		    !memcmp(name + n, objects[i].name, len - n))
			return true;
	}
	return false;
}

static bool is_disabled(const struct session *s, const struct xfer_object *o)
{
	char name[32];

	if (o->is_there && !o->is_there(s))
		return true;
	snprintf(name, sizeof(name), PREFIX "%s", o->name);
	return packet_is_disabled(s, "qXfer") || packet_is_disabled(s, name);
}

void xfer_put_features(const struct session *s, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		unsigned flags = objects[i].lldb_knows ? LLDB_KNOWS : 0;

		if (is_disabled(s, &objects[i]) ||
		    !lldb_wants_feature(s, flags))
			continue;
		buf_printf(out, ";%s", objects[i].feature);
		if (objects[i].write && lldb_wants_feature(s, 0))
			buf_printf(out, ";qXfer:%s:write+", objects[i].name);
	}
}

void xfer_print(struct buf *out)
{
	buf_puts(out, "| object | in `qSupported` | what it is |\n"
		      "|---|---|---|\n");
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		buf_printf(out, "| `%s` | `%s` | %s |\n", objects[i].name,
			   objects[i].feature, objects[i].help);
}

static const struct xfer_object *take_object(struct args *a)
{
	struct args name;

	if (!take_word(a, ":", &name))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (strlen(objects[i].name) == args_left(&name) &&
		    !memcmp(objects[i].name, name.p, args_left(&name)))
			return &objects[i];
	}
	return NULL;
}

/* Makes the document unless this is the next piece of the last one. */
static int document_open(struct session *s, const struct xfer_object *o,
			 const struct args *annex, uint64_t off)
{
	struct document *d = &s->document;
	size_t name_len = strlen(o->name) + 1;
	char *key =
		xasprintf("%s:%.*s", o->name, (int)args_left(annex), annex->p);
	int r = 0;

	if (off && d->key && !strcmp(d->key, key)) {
		free(key);
		return 0;
	}
	free(d->key);
	d->key = NULL;
	buf_reset(&d->text);
	r = o->make(s, key + name_len, &d->text);
	if (r < 0)
		free(key);
	else
		d->key = key;
	return r;
}

int xfer_document(struct session *s, const char *object,
		  const struct args *annex, uint64_t off)
{
	struct args name = args_of(object, strlen(object));

	return document_open(s, take_object(&name), annex, off);
}

static int xfer_read(struct session *s, const struct xfer_object *o,
		     struct args *a, struct buf *out)
{
	struct args annex;
	uint64_t off, len;
	size_t left;
	int r;

	take_word(a, ":", &annex);
	if (!take_char(a, ':') || !take_hex(a, &off) || !take_char(a, ',') ||
	    !take_hex(a, &len))
		return -EPROTO;
	take_char(a, ':'); /* LLDB's tests end so */
	if (!take_end(a))
		return -EPROTO;
	r = document_open(s, o, &annex, off);
	if (r < 0)
		return r == -ENOTSUP ? -ENOENT : r;
	if (off > s->document.text.len)
		off = s->document.text.len;
	left = s->document.text.len - off;
	if (len > RSP_PACKET_MAX / 2)
		len = RSP_PACKET_MAX / 2;
	buf_putc(out, left > len ? 'm' : 'l');
	buf_put_escaped(out, s->document.text.data + off,
			left > len ? len : left);
	return REPLY_NOW;
}

static int xfer_write(struct session *s, const struct xfer_object *o,
		      struct args *a, struct buf *out)
{
	struct args annex, data;
	uint64_t off;
	int r;

	take_word(a, ":", &annex);
	if (!take_char(a, ':') || !take_hex(a, &off) || !take_char(a, ':'))
		return -EPROTO;
	data = take_rest(a);
	r = o->write(s, off, &data);
	if (r < 0)
		return r;
	buf_put_num(out, (uint64_t)r);
	return REPLY_NOW;
}

int pk_xfer(struct session *s, struct args *a, struct buf *out)
{
	const struct xfer_object *o = take_object(a);

	if (!o || is_disabled(s, o) || !take_char(a, ':'))
		return -ENOTSUP;
	if (take_name(a, "read:"))
		return xfer_read(s, o, a, out);
	if (o->write && take_name(a, "write:"))
		return xfer_write(s, o, a, out);
	return -ENOTSUP;
}
