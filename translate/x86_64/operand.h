/*
 * Instructions whose memory operand is not to be had as it stands: by %gs,
 *whose base is the program's own, or relative to the pc and out of reach.
 *Private to translate/x86_64.
 *
 *	op EA, ...	mov	%r, %gs:slot
 *			r = base of gs + EA		by lea, or a movabs
 *			op (%r), ...
 *			mov	%gs:slot, %r
 *
 * r is one that the instruction has no part in; flags are left alone.
 */
#ifndef TRANSLATE_X86_64_OPERAND_H
#define TRANSLATE_X86_64_OPERAND_H

#include "translate/x86_64/code.h"
#include "translate/x86_64/emit.h"

/* False, and nothing is written: it is none of those that can be. */
bool operand_replace(struct writer *w, const struct insn *i);

#endif
