#include "translate/hints-file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/stash.h"

#define MAGIC	  "tshints3"
#define MAGIC_LEN 8

/* --- sets ---------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The row is that of the place before it, too. True: that told of more. */
static bool merge_row(uint32_t *known, const uint32_t *row)
{
	bool more = false;

	for (unsigned by = 1; by <= N_HINTS_BY; by++) {
		more |= row[by] & ~known[by];
		known[by] |= row[by];
	}
	return more;
}

#define ROW_BYTES (PLACES_WIDTH * sizeof(uint32_t))

static void places_free(struct places *p)
{
	table_free(p->all, p->n * ROW_BYTES);
	table_free(p->first, p->n_first * sizeof(*p->first));
	*p = (struct places){ 0 };
}

/* Of n rows, ascending, those whose places are not known come to the front,
 * once each. *changed: how many tell more. How many are left. */
static size_t sort_out(const struct places *known, uint32_t *more, size_t n,
		       enum hints_kind kind, size_t *changed)
{
	const size_t width = PLACES_WIDTH;
	size_t at = 0, new = 0;

	for (size_t i = 0; i < n; i++) {
		const uint32_t *row = more + i * width;
		uint32_t *same = new ? more + (new - 1) * width : NULL;

		while (at < known->n && known->all[at * width] < *row)
			at++;
		if (at < known->n && known->all[at * width] == *row)
			same = known->all + at * width;
		if (same && *same == *row) {
			*changed += kind != HINTS_GOES && merge_row(same, row);
			continue;
		}
		memmove(more + new ++*width, row, width * sizeof(*row));
		++*changed;
	}
	return new;
}

/* From the end on, in their place: others than these n are in the array. */
static void merge_rows(struct places *to, const uint32_t *more, size_t n)
{
	const size_t width = PLACES_WIDTH, size = width * sizeof(*more);
	size_t at = to->n, all = to->n + n;

	to->all = table_grow(to->all, at * size, all * size);
	for (size_t out = all; n; out--) {
		bool is_new = !at ||
			      to->all[(at - 1) * width] < more[(n - 1) * width];
		const uint32_t *row =
			is_new ? more + --n * width : to->all + --at * width;

		memmove(to->all + (out - 1) * width, row, size);
	}
	to->n = all;
	table_free(to->first, to->n_first * sizeof(*to->first));
	to->first = NULL;
	to->n_first = 0;
	to->shift = 0;
}

static void note_who(struct hints *h, const uint32_t *rows, size_t n)
{
	for (size_t i = 0; i < n * PLACES_WIDTH; i += PLACES_WIDTH) {
		for (unsigned by = 0; by < N_HINTS_BY; by++)
			h->ran[by] |= rows[i + 1 + by];
	}
}

size_t hints_add(struct hints *h, enum hints_kind kind, const uint32_t *rows,
		 size_t n)
{
	struct places *to = &h->known[kind];
	const size_t size = PLACES_WIDTH * sizeof(*rows);
	size_t changed = 0, new;
	uint32_t *more;

	if (n > HINTS_MAX - to->n)
		n = HINTS_MAX - to->n;
	if (!n)
		return 0;
	more = table_alloc(n * size);
	memcpy(more, rows, n * size);
	qsort(more, n, size, by_place);
	new = sort_out(to, more, n, kind, &changed);
	if (new)
		merge_rows(to, more, new);
	table_free(more, n * size);
	if (kind == HINTS_RUN)
		note_who(h, rows, n);
	return changed;
}

/* --- reading ------------------------------------------------------------- */

static bool is_ascending(const struct places *p)
{
	for (size_t i = 1; i < p->n; i++) {
		if (p->all[(i - 1) * PLACES_WIDTH] >= p->all[i * PLACES_WIDTH])
			return false;
	}
	return true;
}

#define HEAD_WORDS (MAGIC_LEN / 4 + N_HINTS_BY + N_HINTS_KINDS + 2)

/* The rows behind the head make sense; each kind is read to where it stays. */
static bool take_rows(int fd, size_t words, const uint32_t *counts,
		      struct hints *h)
{
	off_t at = HEAD_WORDS * 4;
	size_t left = words - HEAD_WORDS;

	for (unsigned kind = 0; kind < N_HINTS_KINDS; kind++) {
		struct places *p = &h->known[kind];
		size_t n = counts[kind] * (size_t)PLACES_WIDTH;

		if (counts[kind] > HINTS_MAX || n > left)
			return false;
		p->n = counts[kind];
		p->all = table_alloc(n * 4);
		if (pread(fd, p->all, n * 4, at) != (ssize_t)(n * 4) ||
		    !is_ascending(p))
			return false;
		at += (off_t)n * 4;
		left -= n;
	}
	note_who(h, h->known[HINTS_RUN].all, h->known[HINTS_RUN].n);
	return !left;
}

void hints_clear(struct hints *h)
{
	for (unsigned kind = 0; kind < N_HINTS_KINDS; kind++) {
		places_free(&h->known[kind]);
		buf_fini(&h->fresh[kind]);
	}
	memset(h->ran, 0, sizeof(h->ran));
	memset(h->varied, 0, sizeof(h->varied));
	h->plain = 0;
}

/* All of it, of that many words. */
static int read_text(int fd, size_t words, struct hints *h)
{
	uint32_t head[HEAD_WORDS];
	const uint32_t *varied = head + MAGIC_LEN / 4;
	const uint32_t *counts = varied + N_HINTS_BY;

	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head, MAGIC, MAGIC_LEN) ||
	    !take_rows(fd, words, counts, h)) {
		hints_clear(h);
		return -EINVAL;
	}
	memcpy(h->varied, varied, sizeof(h->varied));
	memcpy(&h->plain, counts + N_HINTS_KINDS, sizeof(h->plain));
	return 0;
}

/* All that it may have: less than 2^26 bytes. */
#define FILE_MAX \
	((HEAD_WORDS + N_HINTS_KINDS * PLACES_WIDTH * (size_t)HINTS_MAX) * 4)

int hints_read(const char *dir, struct hints *h)
{
	struct stat st;
	int fd = stash_open(dir, h->id, false, &st), r = -EINVAL;

	if (fd < 0)
		return fd;
	if (st.st_size >= HEAD_WORDS * 4 && st.st_size % 4 == 0 &&
	    (size_t)st.st_size <= FILE_MAX) {
		stash_touch(fd, &st);
		r = read_text(fd, (size_t)st.st_size / 4, h);
	}
	close(fd);
	return r;
}

/* --- writing ------------------------------------------------------------- */

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
	const struct stash_limit most = {
		.counts = is_ours,
		.files = HINTS_FILES_MAX - 1,
		.bytes = UINT64_MAX,
	};

	stash_drop_oldest(dir, &most);
}

/* What others have learnt. */
static void merge(const char *dir, struct hints *h)
{
	struct hints there = { .id = "" };

	strcpy(there.id, h->id);
	if (hints_read(dir, &there) == -ENOENT)
		make_room(dir);
	for (unsigned kind = 0; kind < N_HINTS_KINDS; kind++)
		hints_add(h, kind, there.known[kind].all, there.known[kind].n);
	hints_clear(&there);
}

static bool write_all(FILE *f, const void *what)
{
	const struct hints *h = what;
	uint32_t counts[N_HINTS_KINDS];
	bool good;

	for (unsigned kind = 0; kind < N_HINTS_KINDS; kind++)
		counts[kind] = (uint32_t)h->known[kind].n;
	good = fwrite(MAGIC, MAGIC_LEN, 1, f) == 1 &&
	       fwrite(h->varied, sizeof(h->varied), 1, f) == 1 &&
	       fwrite(counts, sizeof(counts), 1, f) == 1 &&
	       fwrite(&h->plain, sizeof(h->plain), 1, f) == 1;
	for (unsigned kind = 0; good && kind < N_HINTS_KINDS; kind++) {
		const struct places *p = &h->known[kind];
		size_t size = PLACES_WIDTH * sizeof(*p->all);

		good = !p->n || fwrite(p->all, size, p->n, f) == p->n;
	}
	return good;
}

int hints_write(const char *dir, struct hints *h)
{
	int r = stash_make(dir, 1);

	if (r < 0)
		return r;
	merge(dir, h);
	return stash_write(dir, h->id, 0666, write_all, h);
}
