/*
 * Where clients come in: one after another, or the single one of a pipe or a
 * serial line, which is there from the start.
 */
#ifndef RSP_LISTEN_H
#define RSP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "rsp/link.h"

#define LISTENER_FDS 8

struct listener;

/*
 * Opens COMM (rsp/address.h), everything but the waiting: what can fail fails
 * here, with text that says what to do about it.
 *
 * One port on all its addresses; a family that this machine lacks is left
 * out. A unix socket is made for its owner only (0600), replaces a socket
 * that nobody has open any more and nothing else, and is removed again by
 * listener_free(). Stdio is set aside at once: from here on descriptor 0
 * reads /dev/null and 1 is stderr, so that nothing printed by us or by a
 * program that we start gets into the protocol.
 */
int listener_open(struct listener **out, const char *comm, struct err *e);
void listener_free(struct listener *l);

/* The same in a process that has it from a fork, or has left it to one: a
 * socket in the file system stays. NULL is harmless, as for listener_free(). */
void listener_leave(struct listener *l);

/* Instead: the one client is at the other end of this descriptor, which is the
 * listener's from now; or it listens at COMM (a TCP or unix address), which is
 * called at once. */
struct listener *listener_adopt(int fd);
int listener_call(struct listener **out, const char *comm, struct err *e);

/*
 * The descriptors to wait for input on, at most LISTENER_FDS; returns how
 * many. None: do not wait, listener_accept() has the client.
 */
size_t listener_fds(const struct listener *l, int fds[static LISTENER_FDS]);

/*
 * 1: *out is the next client, now the caller's; 0: none is waiting after all;
 * -EPIPE: the only client there can be has been served. A serial device is
 * opened anew for each; raw, and put back as it was when its link is freed.
 */
int listener_accept(struct listener *l, struct link **out, struct err *e);

/* The TCP port, 0 where there is none. */
uint16_t listener_port(const struct listener *l);

/* The client is whom the caller chose: adopted, called, or on stdio. */
bool listener_is_chosen(const struct listener *l);

/* Reached from this machine only. */
bool listener_is_loopback(const struct listener *l);

#endif
