#include "base/stash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define A_DAY (24 * 60 * 60)

/* --- the directory -------------------------------------------------------- */

static bool may_make_in(const char *dir)
{
	struct stat st;

	return geteuid() || (stat(dir, &st) == 0 && !st.st_uid);
}

int stash_make(const char *dir, unsigned n_above)
{
	char *copy, *above;
	int r = 0;

	if (access(dir, F_OK) == 0)
		return 0;
	copy = xstrdup(dir);
	above = dirname(copy);
	if (n_above)
		stash_make(above, n_above - 1);
	if (!may_make_in(above))
		r = -EPERM;
	else if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		r = -errno;
	free(copy);
	return r;
}

/* Nobody else may have written it. */
static bool is_own(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & 022);
}

bool stash_is_own(const char *dir)
{
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && is_own(&st);
}

/* Counts what there is. The name of what was not used for longest, or NULL. */
static char *survey(DIR *d, const struct stash_limit *most, unsigned *files,
		    uint64_t *bytes)
{
	struct dirent *entry;
	char *oldest = NULL;
	time_t when = 0;
	struct stat st;

	while ((entry = readdir(d))) {
		if ((most->counts && !most->counts(entry->d_name)) ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) <
			    0 ||
		    !S_ISREG(st.st_mode))
			continue;
		++*files;
		*bytes += (uint64_t)st.st_size;
		if (oldest && st.st_mtime >= when)
			continue;
		when = st.st_mtime;
		free(oldest);
		oldest = xstrdup(entry->d_name);
	}
	return oldest;
}

bool stash_drop_oldest(const char *dir, const struct stash_limit *most)
{
	DIR *d = opendir(dir);
	bool dropped = false;
	unsigned files = 0;
	uint64_t bytes = 0;
	char *oldest;

	if (!d)
		return false;
	oldest = survey(d, most, &files, &bytes);
	if (oldest && (files > most->files || bytes > most->bytes))
		dropped = unlinkat(dirfd(d), oldest, 0) == 0;
	free(oldest);
	closedir(d);
	return dropped;
}

/* --- a file --------------------------------------------------------------- */

int stash_open(const char *dir, const char *name, bool own, struct stat *st)
{
	char *path;
	int fd, r;

	if (own && !stash_is_own(dir))
		return -EPERM;
	path = xasprintf("%s/%s", dir, name);
	fd = open(path,
		  O_RDONLY | O_CLOEXEC | O_NONBLOCK | (own ? O_NOFOLLOW : 0));
	r = fd < 0 ? -errno : fd;
	free(path);
	if (fd < 0)
		return r;
	if (fstat(fd, st) < 0)
		r = -errno;
	else if (!S_ISREG(st->st_mode))
		r = -EINVAL;
	else if (own && !is_own(st))
		r = -EPERM;
	if (r < 0)
		close(fd);
	return r;
}

void stash_touch(int fd, const struct stat *st)
{
	if (time(NULL) - st->st_mtime > A_DAY)
		futimens(fd, NULL);
}

static int write_file(const char *path, mode_t mode, stash_write_fn *write,
		      const void *what)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode), r;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool good;

	if (!f) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	good = write(f, what);
	return fclose(f) == 0 && good ? 0 : -EIO;
}

int stash_write(const char *dir, const char *name, mode_t mode,
		stash_write_fn *write, const void *what)
{
	char *path = xasprintf("%s/%s", dir, name);
	char *next = xasprintf("%s/.%s.%d", dir, name, getpid());
	int r;

	unlink(next);
	r = write_file(next, mode, write, what);
	if (r == 0 && rename(next, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(next);
	free(next);
	free(path);
	return r;
}
