/*
 * The text of a smaps file. Whatever it says, mappings that are taken ascend
 * and do not overlap, and of each it is decided what a core holds.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/linux-ptrace/mapping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *line = text;
	struct mappings ms = { 0 };
	uint64_t end = 0;

	while (line) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		mappings_take(&ms, line);
		line = next;
	}
	for (size_t i = 0; i < ms.n; i++) {
		const struct mapping *m = &ms.all[i];

		if (m->lo < end || m->lo >= m->hi || !m->name)
			abort();
		end = m->hi;
		for (unsigned filter = 0; filter < 0x80; filter++) {
			enum mapping_part part = mapping_part(m, filter);

			if (part == PART_ELF_HEADER && m->offset)
				abort();
		}
		mapping_way(m);
	}
	mappings_fini(&ms);
	free(text);
	return 0;
}
