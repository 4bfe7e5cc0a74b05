#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define CHUNK 4096

static ssize_t read_all(int fd, struct buf *out, size_t max)
{
	size_t start = out->len, want;
	ssize_t n;

	while (out->len - start < max) {
		want = max - (out->len - start);
		if (want > CHUNK)
			want = CHUNK;
		n = read(fd, buf_reserve(out, want), want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			out->len = start;
			return -errno;
		}
		if (n == 0)
			break;
		out->len += n;
	}
	buf_str(out);
	return out->len - start;
}

static int open_named(const char *path, va_list ap)
{
	char name[PATH_MAX];
	int fd, n = vsnprintf(name, sizeof(name), path, ap);

	if (n >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

ssize_t file_read(struct buf *out, size_t max, const char *path, ...)
{
	va_list ap;
	ssize_t n;
	int fd;

	va_start(ap, path);
	fd = open_named(path, ap);
	va_end(ap);
	if (fd < 0)
		return fd;
	n = read_all(fd, out, max);
	close(fd);
	return n;
}

ssize_t file_peek(char *buf, size_t size, const char *path, ...)
{
	va_list ap;
	ssize_t n;
	int fd;

	va_start(ap, path);
	fd = open_named(path, ap);
	va_end(ap);
	if (fd < 0)
		return fd;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	close(fd);
	return n;
}
