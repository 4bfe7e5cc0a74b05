/*
 * The translator in a client's hands: qTrace:VERB[:ARGS], and the same verbs as
 * `monitor trace VERB [ARGS]`. Of server/ only qtrace*.c know that there is a
 * translator, and only they include this.
 *
 *	qtrace.c	 what is typed or sent, to a verb of qtrace.def
 *	qtrace-take.c	 arguments that several verbs have
 *	qtrace-*.c	 the verbs, by what they are about
 */
#ifndef SERVER_QTRACE_H
#define SERVER_QTRACE_H

#include "server/packet.h"
#include "server/session.h"
#include "trace/collected.h"
#include "trace/hits.h"
#include "trace/kept.h"
#include "translate/translate.h"

/*
 * Appends what it has to say to out; args is what follows the verb. Otherwise
 * as a packet_fn, but that -EPROTO without a text says that the verb takes no
 * arguments.
 */
typedef int verb_fn(struct session *s, struct args *args, struct buf *out);

#define VERB(name, fn, args, help) verb_fn fn;
#include "server/qtrace.def"
#undef VERB

/*
 * What was recorded, of processes that have ended too: until a program is
 * started or attached to while there is no other.
 */
struct qtrace {
	struct target *target; /* borrowed */
	struct kept events;
	unsigned mask;		 /* EVENT_* that they are of */
	struct globs all;	 /* none: everything */
	struct hits ended;	 /* of code that is followed no more */
	struct list rules;	 /* struct rule: qtrace-rules.h */
	int last_rule;		 /* the newest one's number */
	struct collected values; /* that they told */
	struct disassembler *disassembler; /* NULL: not needed yet */
	struct record *record; /* NULL: nothing is; qtrace-record.h */
};

/* --- qtrace-state.c ------------------------------------------------------ */

/* The session's; made when it is asked for first. */
struct qtrace *qtrace_of(struct session *s);

/* All blocks that ran, until now; h is empty, and the caller's to free. */
void qtrace_hits(struct qtrace *q, struct hits *h);

/* Events, modules, values and counts that are yet to be read. */
void qtrace_catch_up(struct qtrace *q);

/* --- qtrace-rules.c ------------------------------------------------------ */

/* Those of addresses go, or all. */
void rules_end(struct qtrace *q, bool all);

/* --- qtrace-annex.c ------------------------------------------------------ */

/* Their names, with commas. */
void put_annexes(struct buf *out);

/* --- qtrace-follow.c ----------------------------------------------------- */

/* The name of a mode. */
const char *mode_name(enum trace_mode mode);
/* Of all, with that between them. */
void put_modes(struct buf *out, const char *between);

/* --- qtrace-take.c ------------------------------------------------------- */

/*
 * "", -1, pPID.-1, or a thread, which is there; who.pid is that of its process
 * then. An error has its text in s->err.
 */
int take_who(struct session *s, struct args *a, struct ptid *who);

/* "ADDR,LEN": lo..hi, which is not empty. False: it is no such thing. */
bool take_range(struct args *a, uint64_t *lo, uint64_t *hi);

/* The current process, which is followed and of which, as of all others, every
 * thread stands. NULL: there is none, and s->err says why. */
struct process *take_followed(struct session *s);

/* Does the process stand still? If not that is an error, with its text. */
int process_stands(struct session *s, const struct process *p);
/* Do all? */
int all_stand(struct session *s);

#endif
