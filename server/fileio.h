/*
 * gdb's File-I/O numbers and records, as the vFile packets carry them, and
 * the host's: gdb manual, "File-I/O Remote Protocol Extension", "Protocol-
 * specific Representation of Datatypes" and "Constants". Pure translation.
 */
#ifndef SERVER_FILEIO_H
#define SERVER_FILEIO_H

#include <stdint.h>
#include <sys/stat.h>

/* What vFile:fstat, stat and lstat answer with. Every field is big-endian;
 * a value too wide for its field loses its upper bits. */
struct fio_stat {
	uint8_t dev[4], ino[4], mode[4], nlink[4];
	uint8_t uid[4], gid[4], rdev[4];
	uint8_t size[8], blksize[8], blocks[8];
	uint8_t atime[4], mtime[4], ctime[4];
};

_Static_assert(sizeof(struct fio_stat) == 64, "as the manual has it");

/* The manual lists no number for most errors: those are 9999, EUNKNOWN.
 * Takes the errno with either sign. */
int fileio_errno(int errnum);

/* Host open(2) flags, or -EINVAL when a bit is not one of the manual's, or of
 * those that lldb has beside them. */
int fileio_open_flags(unsigned flags);

/* Host permission bits, or -EINVAL. File type bits are allowed, and say
 * nothing to open(2). */
int fileio_open_mode(unsigned mode);

/* The types that the manual does not know (sockets, pipes, block devices)
 * come out as no type. Symbolic links are S_IFLNK, for vFile:lstat. */
void fileio_stat(struct fio_stat *out, const struct stat *st);

#endif
