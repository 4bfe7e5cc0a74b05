/*
 * Packets: one function each, and one row each in packets.def, out of which
 * come the dispatch, the reply to qSupported and doc/packets.md. So nothing is
 * advertised without a handler, and nothing handled without being listed.
 */
#ifndef SERVER_PACKET_H
#define SERVER_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "rsp/args.h"

struct session;

enum {
	REPLY_NOW = 0,
	REPLY_LATER = 1, /* a stop reply will follow */
	REPLY_NEVER = 2, /* none at all (k) */
};

/*
 * Appends the reply to out: REPLY_NOW and the like. On a negative errno out
 * is discarded and the error is the reply: see session_error().
 */
typedef int packet_fn(struct session *s, struct args *a, struct buf *out);

enum {
	NEED_PROCESS = 1 << 0,	/* a program is being debugged */
	NEED_THREAD = 1 << 1,	/* and the selected thread (Hg) is stopped */
	NEED_EXTENDED = 1 << 2, /* extended-remote was asked for (!, --multi) */
	RESUMES = 1 << 3,	/* an end that is yet to be told is its reply */
	/* No need: its errors are E.text only to a client that has said
	 * error-message, as older ones take that for data. */
	PLAIN_ERRORS = 1 << 4,
	/* A target that keeps branches: to others the packet is unknown. */
	NEED_BRANCHES = 1 << 5,
	/* No trace frame is selected: what it has cannot be changed. */
	NEED_PRESENT = 1 << 6,
	/* lldb may say behind it which thread is meant: ;thread:TID; */
	SUFFIX = 1 << 7,
	/* Its qSupported token is for lldb alone; and is one that lldb-server
	 * 19 has, too: see lldb_wants_feature(). */
	LLDB_ONLY = 1 << 8,
	LLDB_KNOWS = 1 << 9,
};

#define PACKET(name, stops, needs, fn, feature, help) packet_fn fn;
#include "server/packets.def"
#undef PACKET

struct packet_def {
	const char *name;  /* exact */
	const char *stops; /* one of these follows, or the end; "*": anything */
	unsigned needs;
	packet_fn *fn;
	const char *feature; /* qSupported token, or NULL */
	const char *help;    /* for doc/packets.md */
};

extern const struct packet_def packets[];
extern const size_t n_packets;

/* The packet's row, and its arguments after the stop; NULL: unknown. */
const struct packet_def *packet_find(const char *pkt, size_t len,
				     struct args *rest);

/* Runs it: looks at needs, turns errors into replies. */
int packet_handle(struct session *s, const char *pkt, size_t len,
		  struct buf *out);

/* By --disable-packet: a name of the table, or "qXfer:OBJECT", or what
 * gdbserver has: "T", "Tthread", "threads". */
bool packet_is_disabled(const struct session *s, const char *name);

/* Is the row one that is answered? */
bool packet_is_known(const struct session *s, const struct packet_def *d);

/* Every name of such a list is one that can be disabled. */
bool packets_are_known(const char *list);

/* doc/packets.md: this table, qXfer's objects, monitor commands. */
void packets_print(struct buf *out);
void monitor_print(struct buf *out);

/* The translator: qtrace.h, which only qtrace*.c know. `monitor trace`, of
 * which line is what follows; an object of qXfer; and its part of a session: a
 * program begins, and what was recorded of those before it goes; the end. */
int monitor_trace(struct session *s, const char *line);
int make_trace(struct session *s, const char *annex, struct buf *out);
void qtrace_begun(struct session *s);
void qtrace_free(struct session *s);

/* "LEN,HEX", an agent expression: a program for the caller to ax_free(). An
 * error has its text in s->err, or is -EPROTO. */
struct ax_program;
int take_expression(struct session *s, struct args *a, struct ax_program **out);

/* Text for a cell of a Markdown table. */
void put_cell(struct buf *out, const char *text);

#endif
