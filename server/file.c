/*
 * vFile: the packets over hostio.h (gdb manual, "Host I/O Packets"). The
 * reply is F and a result in hex; F-1,ERRNO for an error, in the protocol's
 * numbers; F and a length, ; and binary data for what is read.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "rsp/binary.h"
#include "rsp/frame.h"
#include "server/fileio.h"
#include "server/packet.h"
#include "server/session.h"
#include "xml/xml.h"

static int reply_result(ssize_t r, struct buf *out)
{
	buf_putc(out, 'F');
	if (r >= 0)
		buf_put_num(out, (uint64_t)r);
	else
		buf_printf(out, "-1,%x", fileio_errno((int)r));
	return REPLY_NOW;
}

static int reply_data(const void *data, ssize_t n, struct buf *out)
{
	reply_result(n, out);
	if (n < 0)
		return REPLY_NOW;
	buf_putc(out, ';');
	buf_put_escaped(out, data, (size_t)n);
	return REPLY_NOW;
}

/* A name as we gave it in a library list, or one of the client's own. */
static bool take_path(struct args *a, char **path)
{
	if (!take_hex_string(a, PATH_MAX, path))
		return false;
	xml_path_decode(*path);
	return true;
}

int pk_file_setfs(struct session *s, struct args *a, struct buf *out)
{
	uint64_t pid;

	if (!take_hex_max(a, INT_MAX, &pid) || !take_end(a))
		return -EPROTO;
	return reply_result(hostio_setfs(&s->hostio, (pid_t)pid), out);
}

int pk_file_open(struct session *s, struct args *a, struct buf *out)
{
	uint64_t flags, mode;
	int r, host_flags, host_mode;
	char *path;

	if (!take_path(a, &path))
		return -EPROTO;
	if (!take_char(a, ',') || !take_hex_max(a, UINT_MAX, &flags) ||
	    !take_char(a, ',') || !take_hex_max(a, UINT_MAX, &mode) ||
	    !take_end(a)) {
		free(path);
		return -EPROTO;
	}
	host_flags = fileio_open_flags((unsigned)flags);
	host_mode = fileio_open_mode((unsigned)mode);
	r = host_flags < 0 || host_mode < 0 ?
		    -EINVAL :
		    hostio_open(&s->hostio, path, host_flags,
				(mode_t)host_mode);
	free(path);
	return reply_result(r, out);
}

static bool take_file(struct args *a, int *file)
{
	uint64_t n;

	if (!take_hex_max(a, INT_MAX, &n))
		return false;
	*file = (int)n;
	return true;
}

int pk_file_close(struct session *s, struct args *a, struct buf *out)
{
	int file;

	if (!take_file(a, &file) || !take_end(a))
		return -EPROTO;
	return reply_result(hostio_close(&s->hostio, file), out);
}

int pk_file_pread(struct session *s, struct args *a, struct buf *out)
{
	uint64_t len, off;
	ssize_t n;
	int file;

	if (!take_file(a, &file) || !take_char(a, ',') || !take_hex(a, &len) ||
	    !take_char(a, ',') || !take_hex(a, &off) || !take_end(a))
		return -EPROTO;
	if (len > RSP_PACKET_MAX)
		len = RSP_PACKET_MAX;
	buf_reset(&s->scratch);
	n = hostio_pread(&s->hostio, file, buf_reserve(&s->scratch, len), len,
			 off);
	return reply_data(s->scratch.data, n, out);
}

int pk_file_pwrite(struct session *s, struct args *a, struct buf *out)
{
	struct args data;
	uint64_t off;
	int file;

	if (!take_file(a, &file) || !take_char(a, ',') || !take_hex(a, &off) ||
	    !take_char(a, ','))
		return -EPROTO;
	data = take_rest(a);
	return reply_result(hostio_pwrite(&s->hostio, file, data.p,
					  args_left(&data), off),
			    out);
}

static int reply_stat(int r, const struct stat *st, struct buf *out)
{
	struct fio_stat fio;

	if (r < 0)
		return reply_result(r, out);
	fileio_stat(&fio, st);
	return reply_data(&fio, sizeof(fio), out);
}

int pk_file_fstat(struct session *s, struct args *a, struct buf *out)
{
	struct stat st;
	int file;

	if (!take_file(a, &file) || !take_end(a))
		return -EPROTO;
	return reply_stat(hostio_fstat(&s->hostio, file, &st), &st, out);
}

static int stat_by_name(struct session *s, struct args *a, struct buf *out,
			int (*fn)(struct hostio *, const char *, struct stat *))
{
	struct stat st;
	char *path;
	int r;

	if (!take_path(a, &path))
		return -EPROTO;
	r = fn(&s->hostio, path, &st);
	free(path);
	return reply_stat(r, &st, out);
}

int pk_file_stat(struct session *s, struct args *a, struct buf *out)
{
	return stat_by_name(s, a, out, hostio_stat);
}

int pk_file_lstat(struct session *s, struct args *a, struct buf *out)
{
	return stat_by_name(s, a, out, hostio_lstat);
}

int pk_file_unlink(struct session *s, struct args *a, struct buf *out)
{
	char *path;
	int r;

	if (!take_path(a, &path))
		return -EPROTO;
	r = hostio_unlink(&s->hostio, path);
	free(path);
	return reply_result(r, out);
}

int pk_file_readlink(struct session *s, struct args *a, struct buf *out)
{
	char *path, link[PATH_MAX];
	ssize_t n;

	if (!take_path(a, &path))
		return -EPROTO;
	n = hostio_readlink(&s->hostio, path, link, sizeof(link));
	free(path);
	return reply_data(link, n, out);
}
