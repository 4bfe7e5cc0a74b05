/*
 * A core file on disc: ELF headers, notes, memory. Memory goes from the
 * process to the file in pieces, and what is zeros is a hole in the file.
 */
#ifndef TARGET_LINUX_PTRACE_COREFILE_H
#define TARGET_LINUX_PTRACE_COREFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "target/linux-ptrace/corememory.h"
#include "target/target.h"

struct core_image {
	struct process *p;
	pid_t tid;	  /* a thread of it whose /proc shows its memory */
	uint16_t machine; /* elf.h's EM_ */
	const struct core_segment *segments; /* ascending */
	size_t n;
	struct buf notes;
};

/*
 * Writes it with mode 0600 beside path and renames it to path when it is
 * whole: path is either what it was or the new core. Returns the bytes of
 * memory, notes and headers that went to disc. An error's text names the file
 * and the reason. What there is at path must be a file, or nothing.
 */
int64_t corefile_write(struct target *t, const struct core_image *c,
		       const char *path, struct err *e);

#endif
