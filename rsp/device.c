#include "rsp/device.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static int device_error(const char *path, int error, struct err *e)
{
	const char *hint = "";

	if (error == ENOENT || error == ENOTSUP)
		hint = "; a port is written :PORT, a socket unix:PATH";
	else if (error == EACCES)
		hint = "; serial devices mostly belong to the group dialout";
	return err_set(e, -error, "Could not open remote device %s: %s%s", path,
		       error == ENOTSUP ? "neither a device nor a fifo"
					: strerror(error),
		       hint);
}

int device_open(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (stat(path, &st))
		return device_error(path, errno, e);
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return device_error(path, ENOTSUP, e);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? device_error(path, errno, e) : fd;
}

void device_make_raw(struct link *l)
{
	struct termios old, raw;

	if (tcgetattr(link_fd(l), &old))
		return;
	link_restore_tty(l, &old);
	raw = old;
	cfmakeraw(&raw);
	raw.c_cflag |= CLOCAL | CREAD;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(link_fd(l), TCSANOW, &raw);
}
