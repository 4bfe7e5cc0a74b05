/*
 * Files that a story is read from: our own (doc/trace-file.md), and drcov as
 * others and we write it, of which each block becomes a path of its own. The
 * story's sinks are told as if it happened now.
 */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include "base/err.h"
#include "trace/story.h"

/*
 * All of the file that is whole; it may have been cut off anywhere, which is
 * counted in *lost, in bytes. -EINVAL: it is none, or not as it should be, for
 * that reason; what comes before that has been told. All threads of the file
 * have ended then.
 */
int story_read(struct story *s, const char *path, uint64_t *lost,
	       struct err *e);

/* ... of its bytes. */
int story_read_bytes(struct story *s, const char *bytes, size_t n,
		     uint64_t *lost, struct err *e);

/* The same of a drcov file's bytes. */
int story_read_drcov(struct story *s, const char *bytes, size_t n,
		     struct err *e);

#endif
