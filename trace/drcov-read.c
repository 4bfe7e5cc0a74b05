/*
 * drcov files, versions 2 and 3, module tables 2 to 5, blocks in binary or as
 * text. How often a block was executed, and how it ends, is not in them: each
 * is told once, as a path of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/reader.h"

struct row {
	uint32_t object;
	uint64_t start, module; /* where it begins, and its module does */
};

struct drcov {
	struct story *story;
	struct story_thread *th;
	const char *at, *end;
	unsigned version, table;
	struct row *rows;
	uint32_t n;
};

static int bad(struct err *e, const char *what)
{
	return err_set(e, -EINVAL, "drcov: %s", what);
}

/* The next line, without its end; NULL: there is none. The caller frees it. */
static char *take_line(struct drcov *d)
{
	const char *nl = memchr(d->at, '\n', (size_t)(d->end - d->at));
	char *line;

	if (!nl)
		return NULL;
	line = xstrndup(d->at, (size_t)(nl - d->at));
	d->at = nl + 1;
	return line;
}

/* The number behind text in the next line, or -EINVAL. */
static long take_number(struct drcov *d, const char *format)
{
	char *line = take_line(d);
	unsigned n;
	bool ok = line && sscanf(line, format, &n) == 1;

	free(line);
	return ok ? (long)n : -EINVAL;
}

/* --- modules -------------------------------------------------------------- */

/* Columns: id, [containing_id,] start, end, entry, ..., path. Behind "id" the
 * first with 0x is the start. */
static bool take_row(struct drcov *d, const char *line, struct row *row)
{
	const char *hex = strstr(line, "0x"), *path = strrchr(line, ',');
	unsigned containing = 0;
	uint64_t start, end;

	if (!hex || !path || sscanf(hex, "%lx, %lx", &start, &end) != 2 ||
	    end < start)
		return false;
	if (d->table >= 3 && sscanf(line, "%*u, %u", &containing) != 1)
		return false;
	path += 1 + strspn(path + 1, " ");
	*row = (struct row){ .start = start, .module = start };
	if (containing < d->n)
		row->module = d->rows[containing].start;
	if (start < row->module)
		return false;
	row->object =
		story_object(d->story, path, row->module, end - row->module, 0);
	return true;
}

static int take_rows(struct drcov *d, uint32_t count, struct err *e)
{
	d->rows = xcalloc(count + 1, sizeof(*d->rows));
	for (; d->n < count; d->n++) {
		char *line = take_line(d);
		bool ok = line && take_row(d, line, &d->rows[d->n]);

		free(line);
		if (!ok)
			return bad(e, "a module is none");
	}
	return 0;
}

/* --- blocks --------------------------------------------------------------- */

/* Since version 3 offsets count from the segment. What lies too far off to be
 * anywhere is damage. */
static int take_block(struct drcov *d, uint32_t offset, uint32_t size,
		      uint32_t module)
{
	uint64_t begin = offset;
	const struct row *row;
	uint32_t block, way;

	if (module >= d->n || !size)
		return 0; /* code of no file */
	row = &d->rows[module];
	if (d->version >= 3)
		begin += row->start - row->module;
	if (size > STORY_BLOCK_BYTES_MAX || begin > PLACE_OFFSET - size)
		return -EINVAL;
	begin |= (uint64_t)row->object << PLACE_SHIFT;
	block = story_block(d->story, d->th->image,
			    &(struct story_block){
				    .begin = begin,
				    .last = begin,
				    .bytes = size,
			    });
	story_lost(d->story, d->th);
	way = story_way(d->story, &block, 1);
	story_path(d->story, d->th, &way, 1);
	return 0;
}

static int take_binary(struct drcov *d, uint32_t count, struct err *e)
{
	uint16_t size, module;
	uint32_t offset;

	for (; count--; d->at += 8) {
		if (d->end - d->at < 8)
			return bad(e, "blocks are missing");
		memcpy(&offset, d->at, 4);
		memcpy(&size, d->at + 4, 2);
		memcpy(&module, d->at + 6, 2);
		if (take_block(d, offset, size, module) < 0)
			return bad(e, "a block is none");
	}
	return 0;
}

static int take_text(struct drcov *d, uint32_t count, struct err *e)
{
	unsigned module, offset, size;

	free(take_line(d));
	while (count--) {
		char *line = take_line(d);
		bool ok = line &&
			  sscanf(line, "module[%u]: %x, %u", &module, &offset,
				 &size) == 3 &&
			  take_block(d, offset, size, module) == 0;

		free(line);
		if (!ok)
			return bad(e, "a block is none");
	}
	return 0;
}

static int take_blocks(struct drcov *d, struct err *e)
{
	static const char text[] = "module id, start, size:";
	long count = take_number(d, "BB Table: %u bbs");

	if (count < 0)
		return bad(e, "there is no table of blocks");
	if ((size_t)(d->end - d->at) > sizeof(text) &&
	    !memcmp(d->at, text, sizeof(text) - 1))
		return take_text(d, (uint32_t)count, e);
	return take_binary(d, (uint32_t)count, e);
}

static int take_all(struct drcov *d, struct err *e)
{
	long version = take_number(d, "DRCOV VERSION: %u");
	unsigned count;
	char *line;
	bool ok;

	if (version != 2 && version != 3)
		return bad(e, "its version is neither 2 nor 3");
	d->version = (unsigned)version;
	free(take_line(d)); /* the flavor */
	line = take_line(d);
	ok = line && sscanf(line, "Module Table: version %u, count %u",
			    &d->table, &count) == 2;
	free(line);
	if (!ok || d->table < 2 || count > UINT16_MAX)
		return bad(e, "its module table is none that is known");
	free(take_line(d)); /* the columns */
	if (take_rows(d, count, e) < 0)
		return -EINVAL;
	return take_blocks(d, e);
}

/* A process id that is nobody's: it is not in the file. */
#define NOBODY 1

int story_read_drcov(struct story *s, const char *bytes, size_t n,
		     struct err *e)
{
	struct drcov d = { .story = s, .at = bytes, .end = bytes + n };
	int err;

	d.th = story_thread_add(s, story_image_add(s),
				(struct ptid){ NOBODY, NOBODY });
	err = take_all(&d, e);
	story_thread_end(s, d.th);
	free(d.rows);
	return err;
}
