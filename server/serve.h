/* The server's life: clients one after another, one poll for everything. */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include <stdbool.h>

#include "rsp/listen.h"
#include "server/session.h"

struct serve_options {
	bool any_user;	/* no look at who connects */
	int signal_fd;	/* readable: end orderly */
};

/*
 * Until the program has ended and its client has gone, or for --multi until
 * told to. Returns the exit status for a shell.
 */
int serve(struct session *s, struct listener *l, const struct serve_options *o);

#endif
