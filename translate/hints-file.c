#include "translate/hints-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define MAGIC	  "tshints1"
#define MAGIC_LEN 8
#define A_DAY	  (24 * 60 * 60)

/* --- sets ---------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

size_t hints_add(struct hints *h, const uint32_t *places, size_t n)
{
	size_t before = h->n, kept = 0;

	if (n > HINTS_MAX - before)
		n = HINTS_MAX - before;
	if (!n)
		return 0;
	h->all = xrealloc(h->all, (before + n) * sizeof(*h->all));
	memcpy(h->all + before, places, n * sizeof(*places));
	qsort(h->all, before + n, sizeof(*h->all), by_value);
	for (size_t i = 0; i < before + n; i++) {
		if (!kept || h->all[i] != h->all[kept - 1])
			h->all[kept++] = h->all[i];
	}
	h->n = kept;
	return kept - before;
}

/* --- reading ------------------------------------------------------------- */

static bool is_ascending(const uint32_t *all, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (all[i - 1] >= all[i])
			return false;
	}
	return true;
}

/* It was used today: others go first. */
static void touch(int fd, const struct stat *st)
{
	if (time(NULL) - st->st_mtime > A_DAY)
		futimens(fd, NULL);
}

static int read_places(int fd, size_t n, struct hints *h)
{
	const size_t size = n * sizeof(*h->all);
	char magic[MAGIC_LEN];

	h->all = xmalloc(size + 1);
	if (pread(fd, magic, MAGIC_LEN, 0) != MAGIC_LEN ||
	    memcmp(magic, MAGIC, MAGIC_LEN) ||
	    pread(fd, h->all, size, MAGIC_LEN) != (ssize_t)size ||
	    !is_ascending(h->all, n)) {
		free(h->all);
		h->all = NULL;
		return -EINVAL;
	}
	h->n = n;
	return 0;
}

static int read_file(int fd, struct hints *h)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < MAGIC_LEN ||
	    (st.st_size - MAGIC_LEN) % 4 ||
	    (st.st_size - MAGIC_LEN) / 4 > HINTS_MAX)
		return -EINVAL;
	touch(fd, &st);
	return read_places(fd, (size_t)(st.st_size - MAGIC_LEN) / 4, h);
}

int hints_read(const char *dir, struct hints *h)
{
	char *path = xasprintf("%s/%s", dir, h->id);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	free(path);
	if (fd < 0)
		return -errno;
	r = read_file(fd, h);
	close(fd);
	return r;
}

/* --- writing ------------------------------------------------------------- */

/* Where sudo leaves a user's home, nothing of root's is made there. */
static bool may_make_in(const char *dir)
{
	struct stat st;

	return geteuid() || (stat(dir, &st) == 0 && !st.st_uid);
}

/* mkdir -p, of so many that it lies in. */
static int make_directory(const char *dir, unsigned n_above)
{
	char *copy, *above;
	int r = 0;

	if (access(dir, F_OK) == 0)
		return 0;
	copy = xstrdup(dir);
	above = dirname(copy);
	if (n_above)
		make_directory(above, n_above - 1);
	if (!may_make_in(above))
		r = -EPERM;
	else if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		r = -errno;
	free(copy);
	return r;
}

/* A build ID, or what one of us did not come to rename: the directory may hold
 * files that are none of ours. */
static bool is_ours(const char *name)
{
	size_t n = strspn(name + (*name == '.'), "0123456789abcdef");

	return n && (*name == '.' ? name[1 + n] == '.' : !name[n]);
}

/* If there are too many files, one of them is less. */
static void make_room(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char *oldest = NULL;
	time_t when = 0;
	struct stat st;
	unsigned n = 0;

	while (d && (entry = readdir(d))) {
		if (!is_ours(entry->d_name) ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) <
			    0 ||
		    !S_ISREG(st.st_mode))
			continue;
		n++;
		if (oldest && st.st_mtime >= when)
			continue;
		when = st.st_mtime;
		free(oldest);
		oldest = xstrdup(entry->d_name);
	}
	if (d && oldest && n >= HINTS_FILES_MAX)
		unlinkat(dirfd(d), oldest, 0);
	free(oldest);
	if (d)
		closedir(d);
}

/* What others have learnt. */
static void merge(const char *dir, struct hints *h)
{
	struct hints there = { .n = 0 };

	strcpy(there.id, h->id);
	if (hints_read(dir, &there) == -ENOENT)
		make_room(dir);
	hints_add(h, there.all, there.n);
	free(there.all);
}

static int write_file(const char *path, const struct hints *h)
{
	FILE *f = fopen(path, "wxe");
	bool good;

	if (!f)
		return -errno;
	good = fwrite(MAGIC, MAGIC_LEN, 1, f) == 1 &&
	       (!h->n || fwrite(h->all, sizeof(*h->all), h->n, f) == h->n);
	return fclose(f) == 0 && good ? 0 : -EIO;
}

int hints_write(const char *dir, struct hints *h)
{
	char *path = xasprintf("%s/%s", dir, h->id);
	char *next = xasprintf("%s/.%s.%d", dir, h->id, getpid());
	int r = make_directory(dir, 1);

	if (r == 0) {
		merge(dir, h);
		unlink(next);
		r = write_file(next, h);
	}
	if (r == 0 && rename(next, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(next);
	free(next);
	free(path);
	return r;
}
