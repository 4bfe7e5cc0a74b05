/*
 * The documents that gdb reads, appended to a buffer that the caller owns.
 * Formats: gdb's manual, appendices "Target Descriptions", "Thread List
 * Format", "Library List Format for SVR4 Targets", "Operating System
 * Information", "Branch Trace Format", "Branch Trace Configuration Format".
 *
 * Strings are whatever bytes a debuggee put into them, up to the zero: the
 * documents are well-formed all the same. What XML cannot hold (control
 * characters, bytes that are not UTF-8) becomes U+FFFD in names that people
 * look at. In the file names of a library list each such byte becomes the
 * character U+10FF00 + byte, so that the name still says which file it is:
 * gdb sends it back in vFile packets, and xml_path_decode() gives the true
 * name. Well-formed names, blanks and non-ASCII included, arrive unchanged.
 *
 * Lists are written row by row: begin, any number of add, end.
 *
 * All of it is written by hand, and read back with libxml2 by the tests: its
 * loading (with ICU and the C++ library behind it) costs 1.5 ms of every
 * start, more than all else that a server does until its first reply.
 */
#ifndef XML_XML_H
#define XML_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/branch.h"
#include "base/buf.h"
#include "base/regdesc.h"

struct xml_target {
	const char *arch, *osabi; /* osabi: may be NULL */
	const struct regtype *types;
	size_t n_types;
	const struct regdesc *regs; /* those of a feature side by side */
	size_t n_regs;
};

/* The target description. */
void xml_target_put(struct buf *out, const struct xml_target *t);

struct xml_thread {
	const char *id;	    /* as the protocol writes it: p1f.20 */
	int core;	    /* -1: not known */
	const char *name;   /* NULL or "": none */
	const void *handle; /* what libthread_db calls the thread */
	size_t handle_len;  /* 0: none */
};

void xml_threads_begin(struct buf *out);
void xml_threads_add(struct buf *out, const struct xml_thread *t);
void xml_threads_end(struct buf *out);

/* A struct link_map of the dynamic linker. */
struct xml_library {
	const char *name;
	uint64_t lm, l_addr, l_ld;
	uint64_t lmid; /* its namespace: the address of the r_debug; 0: not
			* said */
};

/* main_lm: the executable's own link_map, which is not in the list; 0: not
 * known. An empty list without it makes gdb look for itself. */
void xml_libraries_begin(struct buf *out, uint64_t main_lm);
void xml_libraries_add(struct buf *out, const struct xml_library *l);
void xml_libraries_end(struct buf *out);

/*
 * In place: the file name behind one that gdb read in a library list. Never
 * longer; a name without replaced bytes stays as it is. False (and no change)
 * when a zero byte would come out, which no list ever said.
 */
bool xml_path_decode(char *path);

/* A table of "info os": every row has a value for each of n columns, NULL
 * for one that is left out. */
void xml_osdata_begin(struct buf *out, const char *type);
void xml_osdata_add(struct buf *out, const char *const *columns,
		    const char *const *values, size_t n);
void xml_osdata_end(struct buf *out);

/* Branches, newest first: as short as can be, as gdb has 4 KiB a packet. */
void xml_btrace_put(struct buf *out, const struct branch *all, size_t n);
/* ... of which so many bytes are kept. */
void xml_btrace_conf_put(struct buf *out, uint64_t size);

#endif
