#include "test/connect.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rsp/address.h"

static int connect_to(const struct endpoint *end)
{
	int fd = socket(end->sa.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd >= 0 && !connect(fd, &end->sa.any, end->len))
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	return -error;
}

int link_connect(struct link **out, const char *comm, struct err *e)
{
	struct endpoint ends[ADDRESS_ENDPOINTS];
	struct address a;
	int fd = -EINVAL, n = address_parse(&a, comm, e);

	if (n)
		return n;
	if (a.kind != ADDRESS_TCP && a.kind != ADDRESS_UNIX)
		return err_set(e, -EINVAL,
			       "cannot connect to %s: give "
			       "HOST:PORT or unix:PATH",
			       comm);
	n = address_resolve(&a, ends, e);
	if (n < 0)
		return n;
	for (int i = 0; i < n && fd < 0; i++)
		fd = connect_to(&ends[i]);
	if (fd < 0)
		return err_set(e, fd, "cannot connect to %s: %s", comm,
			       strerror(-fd));
	*out = link_new(fd, fd);
	return 0;
}
