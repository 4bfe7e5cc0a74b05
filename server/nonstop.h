/*
 * Non-stop mode (gdb manual, "Remote Non-Stop" and "Notification Packets"):
 * every thread runs and stops by itself. Stops are queued; the first is sent
 * as the notification %Stop, and the client takes the rest, one for each
 * vStopped. Until it has taken a stop it does not know of it, and nothing
 * that it says of all threads is meant for that one.
 */
#ifndef SERVER_NONSTOP_H
#define SERVER_NONSTOP_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/list.h"

struct buf;
struct session;
struct stop;

struct nonstop {
	bool on;
	struct list queue; /* of stops, oldest first; that one has been sent */
};

void nonstop_init(struct nonstop *ns);
void nonstop_fini(struct nonstop *ns);

/* On or off, by QNonStop or because the client has gone. */
void nonstop_switch(struct session *s, bool on);

/* Something happened that the client is to know. */
void nonstop_tell(struct session *s, const struct stop *st);

/* A process has gone, or was let go: what is queued about it, but for what
 * has been sent, is of no interest any more. When it has ended the ends of its
 * threads still are. */
void nonstop_forget(struct session *s, pid_t pid);
void nonstop_ended(struct session *s, pid_t pid);

/* The reply to ?: the first of all stopped threads, which are queued. */
void nonstop_why(struct session *s, struct buf *out);

#endif
