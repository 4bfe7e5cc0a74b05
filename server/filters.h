/*
 * What a client cannot push with a breakpoint: `monitor condition`, and
 * `monitor logpoint`, which is one that prints to the client. doc/server.md,
 * Conditions that no client sends.
 */
#ifndef SERVER_FILTERS_H
#define SERVER_FILTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "target/process.h"

struct session;
struct thread;

/* Those of a session. */
struct filters {
	struct list conditions; /* of struct condition, the newest last */
	struct list logpoints;	/* of struct logpoint */
	int last_condition, last_logpoint; /* the newest ones' numbers */
	struct buf text; /* that logpoints have printed and nobody was told */
	uint64_t lost;	 /* bytes that there was no room for */
};

void filters_init(struct filters *f);
/* The target's points have gone. */
void filters_fini(struct filters *f);

/* The commands, with what follows their name; they append what they say. */
int condition_command(struct session *s, const char *line, struct buf *out);
int logpoint_command(struct session *s, const char *line, struct buf *out);

/* The client sets a breakpoint with that code (or NULL): returns it, or another
 * one, with what was asked for in addition. */
struct point_code *condition_attach(struct session *s, enum point_kind kind,
				    uint64_t addr, struct point_code *code);

/* Is the thread, which has stopped, one that stood at a logpoint as it stopped,
 * so that it has printed? */
bool logpoint_has_met(struct session *s, struct thread *th);

/* A program has begun, by itself or by exec: what was to be printed is to be
 * again, where it has the same code. */
void logpoints_begin(struct session *s, struct process *p);
/* The client has gone, and its logpoints with it. */
void logpoints_end(struct session *s);

/* A point's commands have printed for the client. */
void logpoint_print(struct session *s, const char *text, size_t len);
/* The client is told of what was printed, if it can be now: as much as it takes
 * without delay, or all. */
void logpoints_flush(struct session *s, bool all);

#endif
