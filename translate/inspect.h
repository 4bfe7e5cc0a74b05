/*
 * What has become of a program's code: for the layer above, who shows it.
 */
#ifndef TRANSLATE_INSPECT_H
#define TRANSLATE_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "translate/record.h"

enum {
	CODE_CHECKED = 1 << 0,	/* compares its bytes at each entry */
	CODE_GATED = 1 << 1,	/* looks whether its page was written to */
	CODE_EXCLUDED = 1 << 2, /* nothing of it is recorded */
	CODE_REDIRECTED = 1 << 3,
};

/* The live block that is run by who comes to pc, or one that has it within. */
struct translate_code {
	struct translate_block block;
	unsigned flags;	      /* CODE_* */
	uint64_t cache;	      /* its translation, in the program's memory */
	const uint8_t *code;  /* ... here: borrowed until anything runs or
			       * changes */
	uint32_t code_length; /* in bytes, of its hot part */
};

/* -EINVAL: it is not followed; -ENOENT: nothing of it was translated. */
int translate_inspect(struct target *t, struct process *p, uint64_t pc,
		      struct translate_code *out);

/* A followed thread. */
struct translate_thread {
	bool in_cache; /* it is within translated code */
	bool native;   /* it executes something of the original code */
	int32_t depth; /* of calls, as far as its events were read */
};

/* False: it is not followed. */
bool translate_thread_state(const struct thread *th,
			    struct translate_thread *out);

#endif
