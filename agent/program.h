/* A verified program: written by ax.c, run by eval.c. */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include "agent/ax.h"
#include "agent/format.h"

struct ax_program {
	struct ax_insn *insns; /* owned */
	size_t n_insns;
	struct ax_format **formats; /* owned, and so is each */
	size_t n_formats;
};

#endif
