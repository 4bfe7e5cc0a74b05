#include "trace/where.h"

#include <string.h>

#include "trace/lines.h"
#include "trace/symbols-list.h"

const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void put_line(struct buf *out, struct story *s, uint64_t place)
{
	struct lines *l = story_lines(s, place_object(place));
	const struct line_row *row = lines_find(l, place_offset(place));

	if (row && row->line)
		buf_printf(out, " (%s:%u)", path_name(lines_file(l, row->file)),
			   row->line);
}

void where_put(struct buf *out, struct story *s, uint64_t place)
{
	uint32_t object = place_object(place);
	uint64_t offset = place_offset(place);
	const struct symbol *sym;
	struct symbols *all;
	const char *name;

	if (!object) {
		buf_printf(out, "%#lx", offset);
		return;
	}
	all = story_symbols(s, object);
	sym = symbols_find(all, offset);
	name = sym ? symbols_name(all, sym) : NULL;
	if (!sym || sym->rank == SYMBOL_FRAME)
		buf_printf(out, "%s+%#lx", path_name(s->objects[object].path),
			   story_vaddr(s, place));
	else if (offset == sym->begin)
		buf_puts(out, name);
	else /* a cold part may lie before */
		buf_printf(out, "%s%s%#lx", name,
			   offset < sym->begin ? "-" : "+",
			   offset < sym->begin ? sym->begin - offset
					       : offset - sym->begin);
	put_line(out, s, place);
}
