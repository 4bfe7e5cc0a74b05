/* Two runs beside each other, function by function: of two builds, say. */
#ifndef TRACE_COMPARE_H
#define TRACE_COMPARE_H

#include <stdio.h>

#include "trace/hits.h"
#include "trace/profile.h"

/* Functions are the same if their names and those of their modules' files,
 * without folders, are. A table of those whose calls or instructions differ,
 * the largest difference in instructions first. Both have PROFILE_TREE. */
void compare_write(struct profile *a, struct profile *b,
		   const struct globs *globs, FILE *out);

#endif
