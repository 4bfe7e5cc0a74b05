#include "server/hostio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/fsview.h"

void hostio_fini(struct hostio *h)
{
	for (size_t i = 0; i < h->n_fds; i++)
		if (h->fds[i] >= 0)
			close(h->fds[i]);
	free(h->fds);
	*h = (struct hostio){ 0 };
}

int hostio_setfs(struct hostio *h, pid_t pid)
{
	if (pid < 0)
		return -EINVAL;
	h->fs_pid = pid;
	return 0;
}

/* Takes fd over, also when it fails. */
static int file_add(struct hostio *h, int fd)
{
	size_t i = 0;

	while (i < h->n_fds && h->fds[i] >= 0)
		i++;
	if (i == HOSTIO_MAX_FILES) {
		close(fd);
		return -EMFILE;
	}
	if (i == h->n_fds) {
		h->fds = xrealloc(h->fds, (i + 1) * sizeof(*h->fds));
		h->n_fds++;
	}
	h->fds[i] = fd;
	return (int)i;
}

static int file_fd(const struct hostio *h, int file)
{
	if (file < 0 || (size_t)file >= h->n_fds || h->fds[file] < 0)
		return -EBADF;
	return h->fds[file];
}

int hostio_open(struct hostio *h, const char *path, int flags, mode_t mode)
{
	int fd;

	flags |= O_NONBLOCK | O_NOCTTY;
	fd = fsview_open(h->fs_pid, path, flags, mode);
	return fd < 0 ? fd : file_add(h, fd);
}

int hostio_close(struct hostio *h, int file)
{
	int fd = file_fd(h, file);

	if (fd < 0)
		return fd;
	h->fds[file] = -1;
	return close(fd) ? -errno : 0;
}

ssize_t hostio_pread(struct hostio *h, int file, void *buf, size_t len,
		     uint64_t off)
{
	int fd = file_fd(h, file);
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (done < len) {
		n = pread(fd, (char *)buf + done, len - done, off + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !done)
			return -errno;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

ssize_t hostio_pwrite(struct hostio *h, int file, const void *buf, size_t len,
		      uint64_t off)
{
	int fd = file_fd(h, file);
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while (done < len) {
		n = pwrite(fd, (const char *)buf + done, len - done,
			   off + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !done)
			return -errno;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

int hostio_fstat(struct hostio *h, int file, struct stat *st)
{
	int fd = file_fd(h, file);

	if (fd < 0)
		return fd;
	return fstat(fd, st) ? -errno : 0;
}

/* By descriptor, because only fsview_open() knows the ways into a view. */
static int path_stat(struct hostio *h, const char *path, int flags,
		     struct stat *st)
{
	int fd = fsview_open(h->fs_pid, path, O_PATH | flags, 0);
	int err;

	if (fd < 0)
		return fd;
	err = fstat(fd, st) ? -errno : 0;
	close(fd);
	return err;
}

int hostio_stat(struct hostio *h, const char *path, struct stat *st)
{
	return path_stat(h, path, 0, st);
}

int hostio_lstat(struct hostio *h, const char *path, struct stat *st)
{
	return path_stat(h, path, O_NOFOLLOW, st);
}

ssize_t hostio_readlink(struct hostio *h, const char *path, char *buf,
			size_t size)
{
	int fd = fsview_open(h->fs_pid, path, O_PATH | O_NOFOLLOW, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", buf, size);
	/* With an empty name, what is no link is ENOENT; with one, EINVAL. */
	if (n < 0)
		n = errno == ENOENT ? -EINVAL : -errno;
	close(fd);
	return n;
}

int hostio_unlink(struct hostio *h, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *dir;
	int fd, err;

	if (slash)
		dir = xstrndup(path, name - path);
	else
		dir = xstrdup(".");
	fd = fsview_open(h->fs_pid, dir, O_PATH | O_DIRECTORY, 0);
	free(dir);
	if (fd < 0)
		return fd;
	err = unlinkat(fd, name, 0) ? -errno : 0;
	close(fd);
	return err;
}
