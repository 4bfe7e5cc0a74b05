/*
 * One connection to a debugger: owns the descriptors, the acknowledgements,
 * the packet that was not acknowledged yet, and what the peer has not taken.
 *
 * It never blocks. What the peer does not take at once is kept and sent when
 * it can be; meanwhile nothing more is read from it, so that a client that
 * never reads holds up nobody but itself. One that lets LINK_BACKLOG_MAX
 * bytes pile up is given up (-EPIPE).
 *
 * The loop:
 *	if (!link_pending(l)) {
 *		link_poll(l, &fds[0]);
 *		poll(fds, ...);
 *	}
 *	r = link_next(l, &pkt, &len);
 */
#ifndef RSP_LINK_H
#define RSP_LINK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

#define LINK_BACKLOG_MAX (64u << 20)

struct link;
struct termios;

/*
 * Takes over both descriptors, which may be the same: a socket, a pair of
 * pipes, a terminal. Sets what a connection wants: close-on-exec, and for TCP
 * no delay and keep-alive. For descriptors that are no sockets the caller
 * ignores SIGPIPE.
 */
struct link *link_new(int in, int out);

/* Sends what is left, for a second at most, and closes. NULL is harmless. */
void link_free(struct link *l);

/* The same in a process that has it from a fork, or has left it to one: the
 * peer notices nothing. */
void link_leave(struct link *l);

/* These settings go back to the terminal when the link is freed. */
void link_restore_tty(struct link *l, const struct termios *saved);

/* Speaks for the peer: its socket, or what is read from. */
int link_fd(const struct link *l);

/*
 * What to wait for before the next link_next(). Sends an acknowledgement
 * that is still owed, for it may be long until there is a reply.
 */
void link_poll(struct link *l, struct pollfd *p);

/* Input is buffered: call link_next() without waiting. */
bool link_pending(const struct link *l);

/*
 * 1: *pkt is a payload of *len bytes and a zero after them, borrowed until
 * the next call; 0: nothing whole yet; -EINTR: the interrupt character;
 * -EPIPE: the peer has gone or was given up. One read at most, and none
 * while something is buffered; in the order in which things arrived.
 *
 * A damaged packet is asked for again. In no-ack mode it is taken when only
 * its checksum is wrong, and else the peer is given up; stderr says so. One that
 * is longer than RSP_PACKET_MAX is answered by an error (EMSGSIZE) here.
 */
int link_next(struct link *l, const char **pkt, size_t *len);

/*
 * Send a payload (see rsp/frame.h for who escapes). A reply is sent again
 * when the peer asks for it; a notification is never acknowledged. 0, also
 * when not all could be sent yet, or -EPIPE.
 */
int link_reply(struct link *l, const struct buf *payload);
int link_notify(struct link *l, const struct buf *payload);
/* How many bytes the client has yet to take. */
size_t link_unsent(const struct link *l);

/*
 * QStartNoAckMode. To be called before the reply to it: that packet is the
 * last to be acknowledged.
 */
void link_set_noack(struct link *l, bool on);

/* Runs are sent as they are, and not counted: lldb-server does not count them,
 * and clients of its tests take replies as they come. */
void link_set_plain(struct link *l, bool on);

/*
 * Who the peer is, for whoever must decide what it may do: the owner of its
 * socket. Known for unix sockets and for TCP within this machine by a
 * loopback address. -ENOTSUP: cannot be known for this kind of connection;
 * any other error: should be known but is not, with text. Neither is a
 * reason to trust the peer.
 */
int link_peer_uid(const struct link *l, uid_t *uid, struct err *e);

/* Appends "host HOST, port PORT" of a TCP peer; of another, "a local
 * socket", the terminal's name or "stdio". */
void link_describe(const struct link *l, struct buf *out);

#endif
