#include "server/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"

#define FILEIO_EUNKNOWN 9999

static const struct {
	int host, wire;
} errnos[] = {
	{ EPERM, 1 },	{ ENOENT, 2 },	 { EINTR, 4 },
	{ EIO, 5 },	{ EBADF, 9 },	 { EACCES, 13 },
	{ EFAULT, 14 }, { EBUSY, 16 },	 { EEXIST, 17 },
	{ ENODEV, 19 }, { ENOTDIR, 20 }, { EISDIR, 21 },
	{ EINVAL, 22 }, { ENFILE, 23 },	 { EMFILE, 24 },
	{ EFBIG, 27 },	{ ENOSPC, 28 },	 { ESPIPE, 29 },
	{ EROFS, 30 },	{ ENOSYS, 88 },	 { ENAMETOOLONG, 91 },
};

static const struct {
	unsigned wire;
	int host;
} open_flags[] = {
	{ 0x1, O_WRONLY },  { 0x2, O_RDWR },	{ 0x8, O_APPEND },
	{ 0x200, O_CREAT }, { 0x400, O_TRUNC }, { 0x800, O_EXCL },
	/* lldb's, which the manual does not have (LLDB's File.h). */
	{ 1u << 28, O_NONBLOCK }, { 1u << 29, O_NOFOLLOW },
	{ 1u << 30, O_CLOEXEC },
};

/* The manual's mode bits have the values that Linux gives them. */
#define FILEIO_S_PERM 0777u
#define FILEIO_S_TYPE (S_IFREG | S_IFDIR | S_IFCHR)

int fileio_errno(int errnum)
{
	errnum = abs(errnum);
	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (errnos[i].host == errnum)
			return errnos[i].wire;
	return FILEIO_EUNKNOWN;
}

int fileio_open_flags(unsigned flags)
{
	int host = 0;

	if ((flags & 3) == 3)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(open_flags); i++) {
		if (flags & open_flags[i].wire)
			host |= open_flags[i].host;
		flags &= ~open_flags[i].wire;
	}
	return flags ? -EINVAL : host;
}

int fileio_open_mode(unsigned mode)
{
	if (mode & ~(FILEIO_S_PERM | FILEIO_S_TYPE))
		return -EINVAL;
	return mode & FILEIO_S_PERM;
}

static void put_be(uint8_t *out, size_t n, uint64_t v)
{
	while (n--) {
		out[n] = v;
		v >>= 8;
	}
}

static mode_t mode_pack(mode_t mode)
{
	mode_t type = mode & S_IFMT;

	if (type != S_IFREG && type != S_IFDIR && type != S_IFCHR &&
	    type != S_IFLNK)
		type = 0;
	return type | (mode & FILEIO_S_PERM);
}

#define PUT(field, value) put_be(out->field, sizeof(out->field), value)

void fileio_stat(struct fio_stat *out, const struct stat *st)
{
	PUT(dev, st->st_dev);
	PUT(ino, st->st_ino);
	PUT(mode, mode_pack(st->st_mode));
	PUT(nlink, st->st_nlink);
	PUT(uid, st->st_uid);
	PUT(gid, st->st_gid);
	PUT(rdev, st->st_rdev);
	PUT(size, st->st_size);
	PUT(blksize, st->st_blksize);
	PUT(blocks, st->st_blocks);
	PUT(atime, st->st_atime);
	PUT(mtime, st->st_mtime);
	PUT(ctime, st->st_ctime);
}
