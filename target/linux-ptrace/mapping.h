/*
 * The mappings of a process as /proc/PID/smaps tells of them (proc(5)), and
 * what of each belongs in a core file (core(5)). Text in, records out: no
 * process is touched.
 */
#ifndef TARGET_LINUX_PTRACE_MAPPING_H
#define TARGET_LINUX_PTRACE_MAPPING_H

#include <stddef.h>
#include <stdint.h>

enum mapping_flag {
	MAPPING_READ = 1 << 0,
	MAPPING_WRITE = 1 << 1,
	MAPPING_EXEC = 1 << 2,
	MAPPING_SHARED = 1 << 3,  /* what is written, others see */
	MAPPING_FILE = 1 << 4,	  /* of a file, be it one without a name */
	MAPPING_DELETED = 1 << 5, /* ... that has no name any more */
	MAPPING_HUGE = 1 << 6,	  /* hugetlbfs */
	MAPPING_IO = 1 << 7,	  /* a device's registers or the like */
	MAPPING_UNWANTED = 1 << 8, /* madvise(MADV_DONTDUMP) */
	MAPPING_FAULTS = 1 << 9,  /* userfaultfd(2): pages come from elsewhere */
	MAPPING_OWN = 1 << 10,	  /* holds pages that no file has */
};

struct mapping {
	uint64_t lo, hi;
	uint64_t offset; /* of lo in the file, in bytes */
	uint64_t dev, inode; /* of the file, as stat(2) has them */
	unsigned flags;
	char *name; /* owned; "" when there is none */
};

/* Zero-initialised is empty. Ascending, and none overlaps another. */
struct mappings {
	struct mapping *all;
	size_t n, cap;
};

/* Takes in a line of smaps, with or without its newline. -EPROTO: it is
 * none, or not one that may follow those before it. */
int mappings_take(struct mappings *ms, const char *line);

/* All of a process, of which tid is a living thread; or -errno. */
int mappings_read(struct mappings *ms, int tid);

void mappings_fini(struct mappings *ms);

enum mapping_part {
	PART_NONE,
	PART_ALL,
	PART_ELF_HEADER, /* the first page, if an ELF file begins there */
};

/* Bits of /proc/PID/coredump_filter that there are when nobody chose. */
#define COREDUMP_FILTER_DEFAULT 0x33u

/* The kernel's choice (vma_dump_size() in its fs/coredump.c), but for private
 * memory that was never touched: it reads as zeros, and is kept as a hole
 * unless it is a huge reservation. */
enum mapping_part mapping_part(const struct mapping *m, unsigned filter);

/* How to read it, so that nothing is made by looking at it. */
enum mapping_way {
	WAY_ALL,     /* all of it can be read */
	WAY_PRESENT, /* only pages that are present: others are zeros */
	WAY_DATA,    /* only what its file has data for */
};

enum mapping_way mapping_way(const struct mapping *m);

#endif
