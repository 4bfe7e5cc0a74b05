#include "base/note.h"

#include <elf.h>
#include <string.h>

/* Names and contents are padded to 4 bytes, but the last content may not be: ld
 * takes any hex digits for --build-id. Both classes have the same header. */
const uint8_t *note_build_id(const uint8_t *notes, size_t len, size_t *n)
{
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		size_t name, desc, at = sizeof(note);

		memcpy(&note, notes, sizeof(note));
		name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
		desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
		if (name > len - at || note.n_descsz > len - at - name)
			return NULL;
		*n = note.n_descsz;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(notes + at, "GNU", 4) && *n && *n <= BUILD_ID_MAX)
			return notes + at + name;
		if (desc > len - at - name)
			return NULL;
		notes += at + name + desc;
		len -= at + name + desc;
	}
	return NULL;
}
