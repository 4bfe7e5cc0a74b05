/*
 * System calls that a stopped thread of the debuggee, sp->by, makes for us, and
 * memory in common. Private to translate/.
 */
#ifndef TRANSLATE_INJECT_H
#define TRANSLATE_INJECT_H

#include "translate/cache.h"

/* What the call returned; or why it could not be made, as if it had failed. */
int64_t inject_call(struct space *sp, long nr, const uint64_t args[6]);
/* Does the result of one mean an error? */
bool inject_failed(int64_t r);

int64_t inject_mmap(struct space *sp, uint64_t addr, uint64_t len, int prot,
		    int flags, int fd, uint64_t offset);
void inject_munmap(struct space *sp, uint64_t addr, uint64_t len);
/* A forked child has none of it, as it goes on in its original code; nor has a
 * core. */
void inject_withhold(struct space *sp, uint64_t addr, uint64_t len);

/* A memfd of the debuggee's, mapped here as a whole; *remote is its descriptor
 * there, to be closed. NULL: an error with a reason. */
uint8_t *inject_share(struct space *sp, const char *name, uint64_t size,
		      int *remote, struct err *e);
/* ... and *here is ours, to be closed too. */
uint8_t *inject_share_file(struct space *sp, const char *name, uint64_t size,
			   int *remote, int *here, struct err *e);

#endif
