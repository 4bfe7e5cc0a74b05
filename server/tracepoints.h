/*
 * Tracepoints (gdb manual, "Tracepoint Packets"): what a session keeps of them
 * beside the run itself (tracepoint/tracing.h). The packets are in
 * tracepoint-*.c, by what they are about:
 *
 *	define	QTinit QTDP QTDPsrc QTDV QTEnable QTDisable
 *	run	QTStart QTStop and what a run is like; stops and resumes
 *	status	qTStatus qTP qTV, and definitions for the next client
 *	frame	QTFrame, and reading from what was collected
 *	save	QTSave
 */
#ifndef SERVER_TRACEPOINTS_H
#define SERVER_TRACEPOINTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "target/target.h"
#include "tracepoint/tracing.h"

struct session;

struct live_range {
	uint64_t lo, hi;
};

struct tracer {
	struct tracing tr;
	int64_t selected;		/* QTFrame: a frame, or -1 */
	bool disconnected;		/* a run goes on without a client */
	char *user, *notes, *stop_note; /* owned, hex; or NULL */
	struct live_range *live; /* owned; QTro: memory that does not change */
	size_t n_live;
	struct tracepoint *defined; /* by QTDP, with actions to come */
	bool in_steps;		    /* ... which are those of steps */
	struct fast *fast; /* owned by qtrace-fast.c; NULL: there are none */
	struct buf upload; /* strings, for qTsP and qTsV */
	size_t uploaded;
};

void tracer_init(struct tracer *tc);
void tracer_fini(struct tracer *tc);

/* --- for the rest of the server ------------------------------------------ */

/* target_resume(), but for threads that have more to do: every resume of a
 * session goes this way. */
int session_resume(struct session *s, const struct resume *acts, size_t n);

/* True: the stop was a tracepoint's alone, and its thread has been resumed. */
bool trace_event(struct session *s, const struct stop *st);

/* The client has gone: the run ends, unless it is to go on. */
void trace_disconnect(struct session *s);
/* It is to go on when the client detaches. */
bool trace_outlives(const struct session *s);

/* A frame is looked at: registers and memory are those of it. As packets. */
bool trace_is_selected(const struct session *s);
int trace_read_registers(struct session *s, struct buf *out);
int trace_read_register(struct session *s, unsigned regno, struct buf *out);
ssize_t trace_read_memory(struct session *s, uint64_t addr, void *buf,
			  size_t len);
/* The document of qXfer. */
int make_traceframe_info(struct session *s, const char *annex, struct buf *out);

/* --- for tracepoint-*.c --------------------------------------------------- */

struct args;

/* The one that is being defined is whole, or there is none. */
int trace_finish_definition(struct session *s);
/* A point of it comes, or goes where no other is. */
int trace_install(struct session *s, struct tracepoint *tp);
void trace_uninstall(struct session *s, uint64_t addr);
/* The run ends. */
void trace_stop(struct session *s, enum trace_end why);
/* What a status says, without the T. */
void trace_put_status(const struct session *s, struct buf *out);
/* Strings that define a tracepoint or a variable, each ended by a zero. */
void trace_put_definition(const struct tracepoint *tp, struct buf *out);
void trace_put_variable(const struct trace_variable *v, struct buf *out);

/*
 * --- qtrace-fast.c: by translated code ------------------------------------
 *
 * True: the tracepoint, which is enabled, is one that collects with no stop.
 * False: it is to be a breakpoint. The other functions do nothing for those
 * that are none, and settle() and end() where there are none.
 */
struct process;
bool fast_install(struct session *s, struct process *p, struct tracepoint *tp);
void fast_uninstall(struct session *s, struct tracepoint *tp);
/* What was collected until now is in frames. */
void fast_drain(struct session *s);
/* The same, and the run ends if there was no room. */
void fast_settle(struct session *s);
/* All are taken out. */
void fast_end(struct session *s);

#endif
