/*
 * lldb-server's platform mode: files, processes and commands of this machine
 * for lldb's remote-linux platform, and a server for each program that it
 * debugs (lldb docs, "lldb-platform packets"; what lldb-server 19 answers was
 * looked at where they leave it open).
 *
 * A process of its own serves a client; it ends with the connection. Servers
 * that it started and that have a client go on until that goes.
 */
#ifndef SERVER_PLATFORM_H
#define SERVER_PLATFORM_H

#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "rsp/args.h"
#include "server/serve.h"
#include "server/session.h"

/* A target's timers and signals are those of one process: each server makes its
 * own. */
typedef struct target *platform_target_fn(void);

/* `tracestub platform': argv[0] is the command's own name. s is initialised.
 * Returns the exit status: 1 for a mistake in argv, or where nothing can be
 * listened at. */
int platform_main(char **argv, platform_target_fn *target, struct session *s,
		  const struct serve_options *serve);

/* --- between the files of the platform ----------------------------------- */

/* Which ports servers may have: 0 to 0 is any that is free. */
struct platform_ports {
	uint16_t min, max;
	int offset; /* what the client is told is so much higher */
};

struct platform {
	struct session *session; /* its link, its files */
	platform_target_fn *target;
	const struct serve_options *serve;
	struct platform_ports ports;
	const char *local;   /* the path of the unix socket that the client came
			      * in by, or NULL; borrowed */
	struct list servers; /* struct platform_server */
	unsigned n_servers;  /* that were ever started */
	pid_t launched;	     /* by A; 0: none */
	char **program; /* of the server that every client finds waiting, or
			 * NULL; borrowed */
};

struct platform_server {
	struct list node;
	pid_t pid;
	uint16_t port;
	char **program; /* that it starts for its client, or NULL; borrowed */
	char *path;	/* of a unix socket, or NULL */
	int waiting;	/* readable at its end, or once it has a client */
};

/* One connection, which is p->session's, to its end. */
void platform_serve(struct platform *p);

/*
 * As packet_fn: REPLY_NOW, or a negative errno, which the packet's reply is an
 * error for. Those that are packet_fn's too take their session from p.
 */
typedef int platform_fn(struct platform *p, struct args *a, struct buf *out);

#define PLATFORM(name, stops, fn, help) platform_fn fn;
#include "server/platform.def"
#undef PLATFORM

/* For doc/packets.md. */
void platform_print(struct buf *out);

/* Starts a server for p->program, which the client asks for by
 * qQueryGDBServer. Without one lldb starts programs itself. */
void platform_start_program(struct platform *p);

/* Takes note of servers that have ended. */
void platform_reap(struct platform *p);
void platform_forget_servers(struct platform *p);

#endif
