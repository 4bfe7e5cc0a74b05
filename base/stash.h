/*
 * A stash: files that are kept in a directory for later runs, by several
 * servers at a time. Who reads one sees all of what was written, or all of what
 * was there before.
 */
#ifndef BASE_STASH_H
#define BASE_STASH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

/* mkdir -p, of so many that it lies in. Where sudo leaves a user's home, root
 * makes nothing: -EPERM. 0, or a negative errno. */
int stash_make(const char *dir, unsigned n_above);

/* Is it a directory, the server's user's, that nobody else may write to? */
bool stash_is_own(const char *dir);

/* Opens a regular file, to be read; one of our own is no link, and is in a
 * directory of our own, as stash_is_own() says. What it is like is in *st. A
 * negative errno; -EINVAL: it is of another kind. */
int stash_open(const char *dir, const char *name, bool own, struct stat *st);

/* It was used today: others go first. */
void stash_touch(int fd, const struct stat *st);

struct stash_limit {
	bool (*counts)(const char *name); /* others stay; NULL: all do */
	unsigned files;
	uint64_t bytes;
};

/* Where there is more, what was not used for longest goes. True: it did. */
bool stash_drop_oldest(const char *dir, const struct stash_limit *most);

/* False: it was not written. */
typedef bool stash_write_fn(FILE *f, const void *what);

/* A file with those permissions takes the place of the one of that name. 0, or
 * a negative errno, and that is as it was. */
int stash_write(const char *dir, const char *name, mode_t mode,
		stash_write_fn *write, const void *what);

#endif
