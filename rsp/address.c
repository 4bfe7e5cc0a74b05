#include "rsp/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *text;
	int kind, family;
} prefixes[] = {
	{ "tcp:", ADDRESS_TCP, AF_UNSPEC },
	{ "tcp4:", ADDRESS_TCP, AF_INET },
	{ "tcp6:", ADDRESS_TCP, AF_INET6 },
	{ "unix:", ADDRESS_UNIX, AF_UNIX },
};

/* Past the prefix; kind and family are set. */
static const char *parse_prefix(struct address *a, const char *comm)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i].text);

		if (strncmp(comm, prefixes[i].text, len))
			continue;
		a->kind = prefixes[i].kind;
		a->family = prefixes[i].family;
		return comm + len;
	}
	a->family = AF_UNSPEC;
	a->kind = *comm != '/' && strchr(comm, ':') ? ADDRESS_TCP
						    : ADDRESS_DEVICE;
	return comm;
}

static int parse_port(struct address *a, const char *text, struct err *e)
{
	struct servent *service;
	unsigned long n;
	char *end;

	n = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && n <= UINT16_MAX) {
		a->port = (uint16_t)n;
		return 0;
	}
	service = getservbyname(text, "tcp");
	if (!service)
		return err_set(e, -EINVAL,
			       "\"%s\" is no port: a number up to 65535, or 0 "
			       "for a free one",
			       text);
	a->port = ntohs((uint16_t)service->s_port);
	return 0;
}

/* "//" in front is the rest of a URL. */
static int parse_host_port(struct address *a, const char *s, struct err *e)
{
	const char *host = s + 2 * !strncmp(s, "//", 2);
	const char *colon = strrchr(host, ':');
	size_t len = colon ? (size_t)(colon - host) : 0;

	if (!colon || (*host == '[' && (len < 2 || host[len - 1] != ']')))
		return err_set(e, -EINVAL,
			       "\"%s\" is not HOST:PORT; an IPv6 address is "
			       "written [ADDRESS]:PORT",
			       s);
	if (*host == '[') {
		host++;
		len -= 2;
		a->family = AF_INET6;
	}
	if (len >= sizeof(a->host))
		return err_set(e, -EINVAL, "the host's name is too long");
	memcpy(a->host, host, len);
	if (!len)
		strcpy(a->host, "localhost");
	return parse_port(a, colon + 1, e);
}

int address_parse(struct address *a, const char *comm, struct err *e)
{
	*a = (struct address){ .kind = ADDRESS_STDIO };
	if (!strcmp(comm, "-") || !strcmp(comm, "stdio"))
		return 0;
	if (!strncmp(comm, "udp:", 4) || !strncmp(comm, "udp4:", 5) ||
	    !strncmp(comm, "udp6:", 5))
		return err_set(e, -EINVAL, "udp is not served; use tcp:%s",
			       strchr(comm, ':') + 1);
	a->path = parse_prefix(a, comm);
	if (!*a->path)
		return err_set(e, -EINVAL,
			       "\"%s\" names no connection: give "
			       ":PORT, HOST:PORT, unix:PATH or a device",
			       comm);
	return a->kind == ADDRESS_TCP ? parse_host_port(a, a->path, e) : 0;
}

static void add_v4(struct endpoint *end, uint32_t addr, uint16_t port)
{
	*end = (struct endpoint){
		.sa.v4 = { .sin_family = AF_INET,
			   .sin_port = htons(port),
			   .sin_addr.s_addr = htonl(addr) },
		.len = sizeof(end->sa.v4),
	};
}

static void add_v6(struct endpoint *end, struct in6_addr addr, uint16_t port)
{
	*end = (struct endpoint){
		.sa.v6 = { .sin6_family = AF_INET6,
			   .sin6_port = htons(port),
			   .sin6_addr = addr },
		.len = sizeof(end->sa.v6),
	};
}

/* One address for each family that was not excluded. */
static int resolve_pair(const struct address *a, struct endpoint *ends,
			uint32_t v4, struct in6_addr v6)
{
	int n = 0;

	if (a->family != AF_INET6)
		add_v4(&ends[n++], v4, a->port);
	if (a->family != AF_INET)
		add_v6(&ends[n++], v6, a->port);
	for (int i = 0; i < n; i++)
		ends[i].optional = n > 1;
	return n;
}

static int resolve_host(const struct address *a, struct endpoint *ends,
			struct err *e)
{
	struct addrinfo want = { .ai_family = a->family,
				 .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	int n = 0, error = getaddrinfo(a->host, NULL, &want, &list);

	if (error)
		return err_set(e, -EINVAL, "cannot resolve name: %s: %s", a->host,
			       gai_strerror(error));
	for (struct addrinfo *i = list; i && n < ADDRESS_ENDPOINTS;
	     i = i->ai_next) {
		if (i->ai_addrlen > sizeof(ends[n].sa))
			continue;
		ends[n] = (struct endpoint){ .len = i->ai_addrlen };
		memcpy(&ends[n].sa, i->ai_addr, i->ai_addrlen);
		endpoint_set_port(&ends[n++], a->port);
	}
	freeaddrinfo(list);
	return n ? n : err_set(e, -EINVAL, "%s has no address", a->host);
}

static int resolve_unix(const struct address *a, struct endpoint *end,
			struct err *e)
{
	*end = (struct endpoint){ .sa.local.sun_family = AF_UNIX,
				  .len = sizeof(end->sa.local) };
	if (strlen(a->path) >= sizeof(end->sa.local.sun_path))
		return err_set(e, -EINVAL,
			       "%s: a socket's path has at most %zu characters",
			       a->path, sizeof(end->sa.local.sun_path) - 1);
	strcpy(end->sa.local.sun_path, a->path);
	return 1;
}

int address_resolve(const struct address *a,
		    struct endpoint ends[static ADDRESS_ENDPOINTS],
		    struct err *e)
{
	if (a->kind == ADDRESS_UNIX)
		return resolve_unix(a, ends, e);
	if (!strcmp(a->host, "localhost"))
		return resolve_pair(a, ends, INADDR_LOOPBACK, in6addr_loopback);
	if (!strcmp(a->host, "*"))
		return resolve_pair(a, ends, INADDR_ANY, in6addr_any);
	return resolve_host(a, ends, e);
}

bool endpoint_is_loopback(const struct endpoint *end)
{
	const struct in6_addr *v6 = &end->sa.v6.sin6_addr;

	switch (end->sa.any.sa_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		return ntohl(end->sa.v4.sin_addr.s_addr) >> 24 ==
		       IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(v6) ||
		       (IN6_IS_ADDR_V4MAPPED(v6) &&
			v6->s6_addr[12] == IN_LOOPBACKNET);
	}
	return false;
}

void endpoint_set_port(struct endpoint *end, uint16_t port)
{
	if (end->sa.any.sa_family == AF_INET)
		end->sa.v4.sin_port = htons(port);
	else if (end->sa.any.sa_family == AF_INET6)
		end->sa.v6.sin6_port = htons(port);
}
