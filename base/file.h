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

#endif
