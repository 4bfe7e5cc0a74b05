/* Whole small files, those of /proc (which say that they are empty) too. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/*
 * Appends the file, at most max bytes of it, to out; the path is formatted.
 * The count, or -errno with out as it was. out is terminated by a zero byte
 * that is not counted (buf_str()).
 */
ssize_t file_read(struct buf *out, size_t max, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The start of the file in the caller's array, ended by a zero byte; one read,
 * which of a file of /proc gives all that there is room for, up to a page. The
 * count without the zero, or -errno with buf as it was. size is at least 1.
 */
ssize_t file_peek(char *buf, size_t size, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

#endif
