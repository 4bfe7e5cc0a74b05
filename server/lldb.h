/*
 * What a session is to lldb. lldb speaks the protocol with packets, keys in
 * stop replies and numbers of its own (LLDB's lldbgdbremote.md; replies were
 * compared with lldb-server 19's): signals have the host's numbers, registers
 * those of server/lldb-regs.h, an error may say its reason as ;HEX.
 *
 * A client is lldb when its qSupported says so: the list of xmlRegisters names
 * arm, which gdb's does not on this machine. One that connects to `tracestub
 * gdbserver` is lldb before that, and gdb when it says qRelocInsn.
 */
#ifndef SERVER_LLDB_H
#define SERVER_LLDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/ptid.h"

struct args;
struct process;
struct session;
struct stop;
struct thread;

/* What becomes of programs when the connection breaks, by QSetDetachOnError;
 * unsaid: as without lldb, which goes by who started them. */
enum lldb_lost { LOST_UNSAID, LOST_DETACH, LOST_KILL };

struct lldb {
	bool by_default; /* of a client that has not said which it is */
	bool on;	 /* the client is lldb */
	bool named;	 /* ... by what it said itself */
	bool thread_suffix, list_threads, error_strings; /* it asked for them */
	char *launch_error;  /* owned; else why not, or NULL */
	enum lldb_lost when_lost;
	struct list saved;   /* by QSaveRegisterState */
	unsigned last_saved; /* the number of the newest */
	struct list tables;  /* struct lldb_regs, one for an instruction set */
	struct buf allocations; /* by _M: struct allocation each */
	struct buf matches; /* of qfProcessInfo: pid_t each, yet to be told */
};

void lldb_init(struct session *s);
void lldb_fini(struct session *s);

/* A client has come: nothing it said before counts. */
void lldb_connect(struct session *s);
/* It has gone, all stands still: programs are let go or killed if it said so. */
void lldb_disconnect(struct session *s);
/* A word of its qSupported; and the features that only lldb is told. */
void lldb_note_feature(struct session *s, const struct args *word);
void lldb_put_features(const struct session *s, struct buf *out);

/*
 * Is a feature with these flags (server/packet.h) for the client? lldb itself
 * passes by what it does not know; but a client of `gdbserver` that says
 * nothing is one of LLDB's tests, which fail at what lldb-server 19 has not.
 */
bool lldb_wants_feature(const struct session *s, unsigned flags);

/*
 * Takes ";thread:TID;" off the end of a packet's arguments, if it is there:
 * the thread is selected. -ESRCH: there is none of that id.
 */
int lldb_take_suffix(struct session *s, struct args *a);

/* An error's reply: Exx, and its text as ;HEX if the client wants that. */
void lldb_error(const struct session *s, int code, struct buf *out);

/* Signal numbers as this client has them, and back: see rsp/signal.h. */
int session_signal_out(const struct session *s, int signo);
int session_signal_in(const struct session *s, int number);

/* The stop of a thread as the client is to see it: STOP_NONE unless it is what
 * was told last or, in non-stop mode, it stopped by itself. */
struct stop lldb_stop_of(const struct session *s, const struct thread *th);

/* The T packet for it, and the number in there. */
void lldb_stop_reply(struct session *s, const struct stop *st, struct buf *out);
int lldb_signal_of(const struct session *s, const struct stop *st);
/* A word for why, or NULL; and what a person will read, "" for nothing. */
const char *lldb_reason(const struct stop *st);
void lldb_describe(struct session *s, const struct stop *st, struct buf *out);

/* All threads of the process (NULL: none) as JSON; brief: why those stopped
 * that did, no registers. */
void lldb_put_threads(struct session *s, const struct process *p, bool brief,
		      struct buf *out);

/* What A says to start: a vector of words, for words_free(); NULL: malformed. */
char **lldb_take_words(struct args *a);

/* What qProcessInfo answers of a process, whose pointers have so many bytes.
 * -ESRCH. */
int lldb_put_process(pid_t pid, unsigned word, struct buf *out);

/* s->err says why a program could not be started: lldb-server's words, which
 * those who drive lldb look for, go before it. */
void lldb_launch_failed(struct session *s, int code);

/* x86_64-pc-linux-gnu, by the size of a pointer. */
const char *lldb_triple(unsigned word);

#endif
