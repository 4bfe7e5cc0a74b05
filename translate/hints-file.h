/*
 * Hints in a directory, a file for each build ID: "tshints1", then places of 4
 * bytes, little-endian, ascending. Several servers may read and write them at a
 * time. Private to translate/.
 */
#ifndef TRANSLATE_HINTS_FILE_H
#define TRANSLATE_HINTS_FILE_H

#include "translate/hints.h"

#define HINTS_MAX	(1u << 20) /* places of a file */
#define HINTS_FILES_MAX 1024

/* Sets all and n of hints that have none. 0, or a negative errno; -EINVAL: what
 * is there makes no sense. */
int hints_read(const char *dir, struct hints *h);

/* Writes all of them, and what others have written since they were read: that
 * is among them then. The directory is made if need be. Where there are too
 * many files, the one that was not used for longest goes. 0, or a negative
 * errno, and the file is as it was. */
int hints_write(const char *dir, struct hints *h);

/* Adds n places in any order, HINTS_MAX in all at most; how many were new. */
size_t hints_add(struct hints *h, const uint32_t *places, size_t n);

#endif
