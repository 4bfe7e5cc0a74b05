/*
 * Memory of a process on its way to a core file: in pieces, what is zeros or
 * was never there becoming a hole, and nothing coming into being because it
 * was looked at.
 */
#ifndef TARGET_LINUX_PTRACE_COREMEMORY_H
#define TARGET_LINUX_PTRACE_COREMEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "target/linux-ptrace/mapping.h"
#include "target/target.h"

/* One program header: a mapping, or a part of it. */
struct core_segment {
	uint64_t addr, memsz;
	uint64_t filesz; /* of it, from its beginning; whole pages */
	const struct mapping *of; /* borrowed */
};

struct core_copy {
	struct target *t;
	struct process *p;
	pid_t tid;	  /* a thread of it whose /proc shows its memory */
	int fd;		  /* the file's, the caller's to open and close */
	uint64_t page;	  /* bytes of one */
	uint64_t written; /* bytes that were not holes */
	int pagemap;
	char *chunk;
	uint64_t *entries;
};

void core_copy_init(struct core_copy *c, struct target *t, struct process *p,
		    pid_t tid);
void core_copy_fini(struct core_copy *c);

/* Bytes of the caller's, at their place in the file. */
int core_copy_put(struct core_copy *c, const void *data, size_t len,
		  uint64_t at);

/* filesz bytes of the segment. What cannot be read is a hole, as in a core of
 * the kernel's; -ESRCH: the process has gone meanwhile. */
int core_copy_segment(struct core_copy *c, const struct core_segment *s,
		      uint64_t at);

#endif
