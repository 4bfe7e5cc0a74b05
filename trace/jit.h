/*
 * Names of code of no file, as those who generate it write them to
 * /tmp/perf-PID.map, a line each: begin and size in hex, the name. So do node
 * --perf-basic-prof while it runs, java -XX:+DumpPerfMapAtExit when it ends,
 * and others: tools/perf/Documentation/jit-interface.txt of Linux.
 *
 * Like perf, this believes a file of ours or of root's alone.
 */
#ifndef TRACE_JIT_H
#define TRACE_JIT_H

#include <stdint.h>
#include <sys/types.h>

struct jit_symbol {
	uint64_t begin, end;
	const char *name;  /* until jit_free() */
	uint32_t function; /* the caller's; 0 at first */
};

struct jit; /* NULL: nothing was looked for yet */

/* What covers the address by now, or NULL; until the next call. */
struct jit_symbol *jit_find(struct jit **j, pid_t pid, uint64_t addr);
void jit_free(struct jit *j);

#endif
