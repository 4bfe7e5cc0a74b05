#include "server/lldb-maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/session.h"

static int read_maps(struct session *s, struct buf *out)
{
	struct thread *th = session_thread(s);
	const size_t piece = 65536;
	ssize_t n;

	if (!th || !s->target->ops->object)
		return -ENOTSUP;
	do {
		n = s->target->ops->object->read(
			s->target, th, OBJ_MAPS, out->len,
			buf_reserve(out, piece), piece);
		out->len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	buf_str(out);
	return n < 0 && !out->len ? (int)n : 0;
}

/* START-END PERMS OFFSET DEVICE INODE      NAME */
static bool take_line(const char *line, struct lldb_region *r)
{
	int at = 0;
	size_t len;

	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*[0-9]%n",
		   &r->start, &r->end, r->perms, &r->offset, &at) < 4 ||
	    !at)
		return false;
	line += at + strspn(line + at, " ");
	len = strcspn(line, "\n");
	if (len >= sizeof(r->name))
		len = sizeof(r->name) - 1;
	memcpy(r->name, line, len);
	r->name[len] = '\0';
	r->mapped = true;
	return true;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

int lldb_region_find(struct session *s, uint64_t addr, struct lldb_region *r)
{
	struct buf text = { 0 };
	uint64_t hole = 0;
	int e = read_maps(s, &text);

	*r = (struct lldb_region){ 0 };
	for (const char *line = text.data; e >= 0 && *line;
	     line = next_line(line)) {
		if (!take_line(line, r) || addr >= r->end) {
			hole = r->end;
			continue;
		}
		if (addr < r->start)
			*r = (struct lldb_region){ .start = hole,
						   .end = r->start };
		buf_fini(&text);
		return 0;
	}
	buf_fini(&text);
	*r = (struct lldb_region){ .start = hole };
	return e;
}

int lldb_region_of(struct session *s, const char *path, struct lldb_region *r)
{
	struct buf text = { 0 };
	int e = read_maps(s, &text);

	for (const char *line = text.data; e >= 0 && *line;
	     line = next_line(line)) {
		if (take_line(line, r) && !strcmp(r->name, path)) {
			buf_fini(&text);
			return 0;
		}
	}
	buf_fini(&text);
	return e < 0 ? e : -ENOENT;
}
