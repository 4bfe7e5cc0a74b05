/*
 * A session: one client, what it has asked for, and what it debugs. In
 * all-stop mode at most one resume is under way (running); the stop that ends
 * it is the reply. In non-stop mode stops are notifications: see nonstop.h.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ptid.h"
#include "rsp/link.h"
#include "server/filters.h"
#include "server/hostio.h"
#include "server/lldb.h"
#include "server/nonstop.h"
#include "server/start.h"
#include "server/tracepoints.h"
#include "server/terminal.h"
#include "target/target.h"

/* What the client said in qSupported that it understands. */
struct client_features {
	bool multiprocess, swbreak, hwbreak, fork_events, vfork_events;
	bool exec_events, no_resumed, thread_events, error_message;
	bool descriptions; /* xmlRegisters, or it read one: others know only
			    * what gdb has built in */
	bool single_inf_arg, multi_wp_addr;
};

/* A qXfer object as it was when its reading began at offset 0. */
struct document {
	char *key; /* owned: "OBJECT:ANNEX"; NULL: none */
	struct buf text;
};

struct session {
	struct target *target; /* borrowed */
	struct link *link;     /* owned; NULL between clients */
	struct start start;    /* how programs are started */
	const char *refused;   /* why the client is turned away; borrowed */
	const char *disabled;  /* --disable-packet's list, or NULL; borrowed */
	bool multi;	       /* --multi: outlives its programs and clients */
	bool once;	       /* --once: one client only */
	bool quit;	       /* the server is to end */
	int exit_status;       /* of the last program that ended by itself */

	struct client_features client;
	bool extended;
	struct ptid general;   /* Hg */
	struct ptid continued; /* Hc */
	bool running;	       /* a stop reply is owed; without a client:
				* something runs */
	struct nonstop nonstop;
	struct buf ran; /* struct ptid each: see session_run_again() */
	bool ended;	       /* last is an end that is yet to be told */
	int64_t looked_ms;     /* for ends, with all stopped: serve.c */
	bool interrupted;      /* a ^C came that no stop has answered */
	unsigned deferred;     /* steps on end that it has waited for */
	bool bare_binary;      /* x replies without the b, for lldb */
	bool wants_threads;    /* asked once to hear of their beginnings, ends */
	struct stop last;      /* what ? answers */
	pid_t begun;	       /* the process started or attached to last */

	struct err err; /* of the packet being handled */
	uint64_t branch_bytes; /* Qbtrace-conf:bts:size; 0: not said */
	struct qtrace *trace; /* owned; what the translator has recorded: NULL
			       * until it is asked about */
	struct tracer tracer;
	struct filters filters; /* monitor condition, logpoint */
	struct lldb lldb; /* what only lldb asks for */
	struct terminal terminal;
	struct hostio hostio;
	struct document document;
	struct buf reply, scratch;
	pid_t list_tid; /* qsThreadInfo goes on behind this thread */
};

void session_init(struct session *s, struct target *t);
void session_fini(struct session *s);

/* A client has come: s owns link from now. With a reason to refuse it (which
 * is borrowed) that is all it will hear, until it goes or another comes. */
void session_connect(struct session *s, struct link *link, const char *refused);

/* Handles all that the client has sent. False: it has gone. */
bool session_serve(struct session *s);

/*
 * Threads that ran when all were stopped because a client came or went run
 * again: one that goes leaves them so, and one that came wants it when it asks
 * for non-stop mode.
 */
void session_run_again(struct session *s);

/* ^C, or vCtrlC: some thread is to stop with SIGINT. */
void session_interrupt(struct session *s);
/* Programs run again, and a ^C that came earlier has had no answer. */
void session_interrupt_again(struct session *s);
/* Does a ^C wait for a step to end? Then, when that has not for a while: a step
 * that has come to wait in the kernel is interrupted. */
bool session_interrupt_waits(const struct session *s);
void session_interrupt_late(struct session *s);

/* A process was started or attached to: from now on ^C is for it, and one
 * that none has answered is forgotten. */
void session_begun(struct session *s, pid_t pid);
/* The client is rid of one, and of the ^C that was for it. */
void session_done_with(struct session *s, pid_t pid);

/* Takes in what happened to the debuggees, and reports it. */
void session_events(struct session *s, bool patient);
bool session_expects_events(const struct session *s);

/* Takes in what ended while nothing ran (server/ended.c). */
void session_reap(struct session *s);

/* An end was met: it is the exit status of --once. */
void session_note_end(struct session *s, const struct stop *st);

/* With s->ended: appends the end, as REPLY_NOW. */
int session_tell_end(struct session *s, struct buf *out);

/* The client is done with a process; true when its end was yet to be told. */
bool session_forget_end(struct session *s, pid_t pid);

/* Programs run without waiting for a client; one that comes stops them. */
void session_run(struct session *s);

/* The client is done with the process, which runs on and stays ours, as it is
 * being traced: whoever comes next finds it. */
void session_leave(struct session *s, struct process *p);

/* The process goes on without us, with the signal that was told. */
void session_detach(struct session *s, struct process *p);

/* The client has gone, or never came; see lifecycle in doc/server.md. */
void session_disconnect(struct session *s);

/* The reply that stands for a negative errno and s->err. */
void session_error(struct session *s, int code, struct buf *out);

/* The thread of Hg, or any; NULL when there is none. */
struct thread *session_thread(struct session *s);
struct process *session_process(struct session *s);

/* A program was started or attached to: it is what ? tells of. */
void session_started(struct session *s, pid_t pid, int signo);

/*
 * The same for a process attached to. To a client in non-stop mode one of its
 * threads has stopped, and the others run: so gdbserver has it, and gdb 13
 * fails an assertion when it finds several stopped as it connects.
 */
void session_attached(struct session *s, pid_t pid);

/* Output for the client's console while a packet is handled (O). */
void session_print(struct session *s, const char *text);

/* Nobody will hear of the stop: a process that it forked goes its own way. */
void stop_let_go(struct session *s, const struct stop *st);

/* Appends the stop reply for st. */
void stop_reply(struct session *s, const struct stop *st, struct buf *out);
void put_ptid(const struct session *s, struct ptid id, struct buf *out);
/* Two digits. By hand, as all of a stop reply: it is what a step waits for,
 * and printf takes longer than the rest of it. */
void put_byte(struct buf *out, int v);

#endif
