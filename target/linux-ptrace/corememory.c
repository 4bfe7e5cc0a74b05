#include "target/linux-ptrace/corememory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define CHUNK	      (1u << 20) /* bytes read at once */
#define PAGEMAP_CHUNK (1u << 15) /* pages looked up at once */
#define PAGE_PRESENT  (UINT64_C(3) << 62) /* or swapped out: proc(5) */

/* Shared memory whose file cannot be asked: more than that is only looked at
 * where it is present. */
#define SHARED_MAX (UINT64_C(1) << 30)

void core_copy_init(struct core_copy *c, struct target *t, struct process *p,
		    pid_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", tid);
	*c = (struct core_copy){
		.t = t,
		.p = p,
		.tid = tid,
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
		.fd = -1,
		.pagemap = open(path, O_RDONLY | O_CLOEXEC),
		.chunk = xmalloc(CHUNK),
		.entries = xmalloc(PAGEMAP_CHUNK * sizeof(uint64_t)),
	};
}

void core_copy_fini(struct core_copy *c)
{
	free(c->chunk);
	free(c->entries);
	if (c->pagemap >= 0)
		close(c->pagemap);
}

int core_copy_put(struct core_copy *c, const void *data, size_t len,
		  uint64_t at)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = pwrite64(c->fd, p, len, (off64_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
		c->written += (uint64_t)n;
	}
	return 0;
}

/* --- memory -------------------------------------------------------------- */

static bool is_zero(const char *p, size_t len)
{
	return !*p && !memcmp(p, p + 1, len - 1);
}

/* Pages at addr, of which those that are not zeros go to the file. */
static int put_pages(struct core_copy *c, const char *data, size_t len,
		     uint64_t at)
{
	size_t from, to = 0, page = c->page;
	int r;

	while (to < len) {
		from = to;
		while (from < len && is_zero(data + from, page))
			from += page;
		to = from;
		while (to < len && !is_zero(data + to, page))
			to += page;
		r = core_copy_put(c, data + from, to - from, at + from);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What cannot be read stays a hole, as in a core of the kernel's. */
static int copy_run(struct core_copy *c, uint64_t addr, uint64_t len,
		    uint64_t at)
{
	uint64_t done = 0;
	size_t want;
	ssize_t n;
	int r;

	while (done < len) {
		want = len - done < CHUNK ? (size_t)(len - done) : CHUNK;
		n = target_read(c->t, c->p, addr + done, c->chunk, want);
		n = n > 0 ? n & -(ssize_t)c->page : 0;
		r = put_pages(c, c->chunk, (size_t)n, at + done);
		if (r < 0)
			return r;
		done += n ? (uint64_t)n : c->page;
	}
	return 0;
}

/* Runs of pages of which c->entries tells whether they are present. */
static int copy_marked(struct core_copy *c, uint64_t addr, size_t n,
		       uint64_t at)
{
	size_t from, to = 0;
	int r = 0;

	while (to < n && r == 0) {
		from = to;
		while (from < n && !(c->entries[from] & PAGE_PRESENT))
			from++;
		to = from;
		while (to < n && c->entries[to] & PAGE_PRESENT)
			to++;
		r = copy_run(c, addr + from * c->page, (to - from) * c->page,
			     at + from * c->page);
	}
	return r;
}

static int copy_present(struct core_copy *c, const struct core_segment *s,
			uint64_t at)
{
	uint64_t pages = s->filesz / c->page, first = s->addr / c->page;
	const uint64_t size = sizeof(*c->entries);
	ssize_t n;
	int r = 0;

	for (uint64_t i = 0; i < pages && r == 0; i += (uint64_t)n) {
		uint64_t want = pages - i;

		if (want > PAGEMAP_CHUNK)
			want = PAGEMAP_CHUNK;
		n = pread64(c->pagemap, c->entries, want * size,
			    (off64_t)((first + i) * size));
		n /= (ssize_t)size;
		if (n <= 0)
			return -ESRCH;
		r = copy_marked(c, s->addr + i * c->page, (size_t)n,
				at + i * c->page);
	}
	return r;
}

/* --- shared files -------------------------------------------------------- */

static bool is_file_of(const struct mapping *m, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_dev == m->dev && st.st_ino == m->inode;
}

/* One of the program's descriptors: what has no name may yet have that. */
static int open_descriptor(pid_t tid, const struct mapping *m)
{
	char path[300];
	struct dirent *d;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", tid);
	dir = opendir(path);
	while (dir && fd < 0 && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", tid, d->d_name);
		if (is_file_of(m, path))
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (dir)
		closedir(dir);
	return fd;
}

/* The first way is of the privileged only: proc(5). */
static int open_file(pid_t tid, const struct mapping *m)
{
	char path[80];
	int fd = -1;

	if (m->dev == 0 && m->inode == 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", tid, m->lo,
		 m->hi);
	if (is_file_of(m, path))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? open_descriptor(tid, m) : fd;
}

/* A file system that knows no holes has data everywhere. */
static int copy_data(struct core_copy *c, const struct core_segment *s,
		     uint64_t at, int fd)
{
	uint64_t in_file = s->of->offset + (s->addr - s->of->lo), from, to = 0;
	off64_t where;
	int r = 0;

	while (to < s->filesz && r == 0) {
		where = lseek64(fd, (off64_t)(in_file + to), SEEK_DATA);
		if (where < 0 && errno == ENXIO)
			break;
		from = where < 0 ? to : (uint64_t)where - in_file;
		where = lseek64(fd, where, SEEK_HOLE);
		to = where < 0 ? s->filesz : (uint64_t)where - in_file;
		from &= -c->page;
		to = (to + c->page - 1) & -c->page;
		if (to > s->filesz)
			to = s->filesz;
		if (from < to)
			r = copy_run(c, s->addr + from, to - from, at + from);
	}
	return r;
}

static int copy_shared(struct core_copy *c, const struct core_segment *s,
		       uint64_t at)
{
	int fd = open_file(c->tid, s->of), r;

	if (fd >= 0) {
		r = copy_data(c, s, at, fd);
		close(fd);
		return r;
	}
	return s->filesz > SHARED_MAX ?
		       copy_present(c, s, at) :
		       copy_run(c, s->addr, s->filesz, at);
}

int core_copy_segment(struct core_copy *c, const struct core_segment *s,
		      uint64_t at)
{
	enum mapping_way way = mapping_way(s->of);

	if (!s->filesz)
		return 0;
	if (way == WAY_DATA)
		return copy_shared(c, s, at);
	return way == WAY_PRESENT && c->pagemap >= 0 ?
		       copy_present(c, s, at) :
		       copy_run(c, s->addr, s->filesz, at);
}
