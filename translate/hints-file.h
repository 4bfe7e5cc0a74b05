/*
 * Hints in a directory, a file for each build ID: "tshints3", sets of programs
 * and of commands (varied, see struct hints), how many rows there are of each
 * kind (enum hints_kind), 8 bytes of a sum (plain), and the rows. All other
 * numbers are of 4 bytes, little-endian. Several servers may read and write
 * them at a time. Private to translate/.
 */
#ifndef TRANSLATE_HINTS_FILE_H
#define TRANSLATE_HINTS_FILE_H

#include "translate/hints.h"

#define HINTS_MAX	(1u << 20) /* rows of a kind */
#define HINTS_FILES_MAX 1024

/* Sets what is known of hints that have nothing. 0, or a negative errno;
 * -EINVAL: what is there makes no sense. */
int hints_read(const char *dir, struct hints *h);

/* Writes all of them, and what others have written since they were read: that
 * is among them then, but for `varied` and `plain`, which are as this one has
 * them. The directory is made if need be. Where there are too many files, the
 * one that was not used for longest goes. 0, or a negative errno, and the file
 * is as it was. */
int hints_write(const char *dir, struct hints *h);

/* Adds n rows in any order, HINTS_MAX in all at most; how many were new, or
 * told of another one who ran it. Where a branch goes stays as it is known. */
size_t hints_add(struct hints *h, enum hints_kind kind, const uint32_t *rows,
		 size_t n);

/* Nothing is known, and nothing fresh. */
void hints_clear(struct hints *h);

#endif
