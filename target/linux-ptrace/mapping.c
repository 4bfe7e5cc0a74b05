#include "target/linux-ptrace/mapping.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/mem.h"

/* Untouched memory of more than that is a reservation. */
#define UNTOUCHED_MAX (UINT64_C(4) << 30)

/* --- smaps --------------------------------------------------------------- */

/* A line feed in a name is \012: the one escape there is. */
static char *name_take(const char *s)
{
	size_t len = strcspn(s, "\n"), n = 0;
	char *name = xstrndup(s, len);

	for (size_t i = 0; i < len; i++) {
		if (!strncmp(s + i, "\\012", 4)) {
			name[n++] = '\n';
			i += 3;
		} else {
			name[n++] = s[i];
		}
	}
	name[n] = '\0';
	return name;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static unsigned prot_flags(const char perms[static 4])
{
	return (perms[0] == 'r' ? MAPPING_READ : 0u) |
	       (perms[1] == 'w' ? MAPPING_WRITE : 0u) |
	       (perms[2] == 'x' ? MAPPING_EXEC : 0u);
}

static int header_take(struct mappings *ms, const char *line)
{
	uint64_t lo, hi, offset, inode;
	unsigned major, minor;
	char perms[5] = "";
	struct mapping *m;
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64
			 " %x:%x %" SCNu64 " %n",
		   &lo, &hi, perms, &offset, &major, &minor, &inode,
		   &at) < 7 ||
	    !at || strlen(perms) < 4 || lo >= hi ||
	    (ms->n && lo < ms->all[ms->n - 1].hi))
		return -EPROTO;
	GROW(ms->all, ms->n, ms->cap, 64);
	m = &ms->all[ms->n++];
	*m = (struct mapping){
		.lo = lo,
		.hi = hi,
		.offset = offset,
		.dev = makedev(major, minor),
		.inode = inode,
		.flags = prot_flags(perms),
		.name = name_take(line + at),
	};
	if (inode || m->name[0] == '/')
		m->flags |= MAPPING_FILE;
	if (m->flags & MAPPING_FILE && ends_with(m->name, " (deleted)"))
		m->flags |= MAPPING_DELETED;
	return 0;
}

/* Two letters each: show_smap_vma_flags() in the kernel's task_mmu.c. */
static void vm_flags_take(struct mapping *m, const char *s)
{
	static const struct {
		char name[3];
		uint16_t flag;
	} known[] = {
		{ "sh", MAPPING_SHARED },   { "ht", MAPPING_HUGE },
		{ "io", MAPPING_IO },	    { "dd", MAPPING_UNWANTED },
		{ "um", MAPPING_FAULTS },   { "ui", MAPPING_FAULTS },
	};

	for (; s[0] && s[1] && s[0] != '\n'; s += s[2] == ' ' ? 3 : 2) {
		for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
			if (!strncmp(s, known[i].name, 2))
				m->flags |= known[i].flag;
		}
	}
}

int mappings_take(struct mappings *ms, const char *line)
{
	struct mapping *m = ms->n ? &ms->all[ms->n - 1] : NULL;
	const char *value = strchr(line, ':');

	if (isdigit((unsigned char)*line) || (*line >= 'a' && *line <= 'f'))
		return header_take(ms, line);
	if (!m || !value)
		return -EPROTO;
	value += 1 + strspn(value + 1, " \t");
	if (!strncmp(line, "VmFlags:", 8))
		vm_flags_take(m, value);
	else if ((!strncmp(line, "Anonymous:", 10) ||
		  !strncmp(line, "Swap:", 5)) &&
		 strtoull(value, NULL, 10))
		m->flags |= MAPPING_OWN;
	return 0;
}

int mappings_read(struct mappings *ms, int tid)
{
	char path[32], *line = NULL;
	size_t size = 0;
	int r = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", tid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (r == 0 && getline(&line, &size, f) > 0)
		r = mappings_take(ms, line);
	if (ferror(f))
		r = -EIO;
	free(line);
	fclose(f);
	return r;
}

void mappings_fini(struct mappings *ms)
{
	for (size_t i = 0; i < ms->n; i++)
		free(ms->all[i].name);
	free(ms->all);
	*ms = (struct mappings){ 0 };
}

/* --- the choice ---------------------------------------------------------- */

enum filter_bit {
	PRIVATE_ANON,
	SHARED_ANON,
	PRIVATE_FILE,
	SHARED_FILE,
	ELF_HEADERS,
	PRIVATE_HUGE,
	SHARED_HUGE,
};

static enum mapping_part all_if(unsigned filter, enum filter_bit bit)
{
	return filter >> bit & 1 ? PART_ALL : PART_NONE;
}

/* What a debugger unwinds through that no file holds. */
static bool is_kernels(const struct mapping *m)
{
	return !strcmp(m->name, "[vdso]") || !strcmp(m->name, "[vsyscall]");
}

static bool is_plain_memory(const struct mapping *m)
{
	if (m->flags & MAPPING_OWN)
		return true;
	return !(m->flags & MAPPING_FILE) && m->flags & MAPPING_READ &&
	       m->hi - m->lo <= UNTOUCHED_MAX;
}

enum mapping_part mapping_part(const struct mapping *m, unsigned filter)
{
	bool shared = m->flags & MAPPING_SHARED;

	if (is_kernels(m))
		return PART_ALL;
	if (m->flags & MAPPING_UNWANTED)
		return PART_NONE;
	if (m->flags & MAPPING_HUGE)
		return all_if(filter, shared ? SHARED_HUGE : PRIVATE_HUGE);
	if (m->flags & MAPPING_IO)
		return PART_NONE;
	if (shared)
		return all_if(filter, m->flags & MAPPING_DELETED ?
					      SHARED_ANON : SHARED_FILE);
	if (is_plain_memory(m) && all_if(filter, PRIVATE_ANON))
		return PART_ALL;
	if (!(m->flags & MAPPING_FILE))
		return PART_NONE;
	if (all_if(filter, PRIVATE_FILE))
		return PART_ALL;
	return m->offset == 0 && all_if(filter, ELF_HEADERS) ?
		       PART_ELF_HEADER : PART_NONE;
}

/* A page that is not present may be anywhere in a shared file, and is made
 * where the file has a hole; elsewhere it would be a page of zeros, or come
 * from someone who waits for the program. */
enum mapping_way mapping_way(const struct mapping *m)
{
	if (is_kernels(m))
		return WAY_ALL;
	if (m->flags & MAPPING_FAULTS)
		return WAY_PRESENT;
	if (m->flags & MAPPING_SHARED)
		return WAY_DATA;
	return m->flags & MAPPING_FILE && !(m->flags & MAPPING_HUGE) ?
		       WAY_ALL : WAY_PRESENT;
}
