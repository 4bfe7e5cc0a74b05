/*
 * Where a connection comes from: the COMM of the command line.
 *
 *	:PORT  localhost:PORT	both loopback addresses
 *	*:PORT			all interfaces
 *	HOST:PORT  [V6]:PORT	what HOST resolves to
 *	tcp:...  tcp4:...  tcp6:...	the same; one family only
 *	unix:PATH		a socket in the file system
 *	-  stdio		standard input and output
 *	PATH			a serial device or a fifo; any / in front
 *				makes it a path
 *
 * PORT is a number, 0 for any free one, or a service's name.
 */
#ifndef RSP_ADDRESS_H
#define RSP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

struct address {
	enum {
		ADDRESS_TCP,
		ADDRESS_UNIX,
		ADDRESS_STDIO,
		ADDRESS_DEVICE,
	} kind;
	int family;	/* of TCP: AF_UNSPEC when not said */
	char host[256]; /* "localhost" where none was given */
	uint16_t port;
	const char *path; /* borrowed from comm */
};

/* One socket address of an address. */
struct endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	} sa;
	socklen_t len;
	bool optional; /* its family may be missing, others are there */
};

#define ADDRESS_ENDPOINTS 8

/* -EINVAL with text. */
int address_parse(struct address *a, const char *comm, struct err *e);

/*
 * A TCP or unix address as 1 to ADDRESS_ENDPOINTS endpoints; returns how
 * many. Asks the resolver only for hosts that are names.
 */
int address_resolve(const struct address *a,
		    struct endpoint ends[static ADDRESS_ENDPOINTS],
		    struct err *e);

/* Every endpoint is on this machine and reached from nowhere else. */
bool endpoint_is_loopback(const struct endpoint *end);

void endpoint_set_port(struct endpoint *end, uint16_t port);

#endif
