/* Parts of operands' addresses: private to translate/x86_64. */
#ifndef TRANSLATE_X86_64_TOUCH_H
#define TRANSLATE_X86_64_TOUCH_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86_64/access.h"
#include "translate/x86_64/code.h"

/* What a scaled displacement has beyond what it says. */
uint64_t touch_disp_beyond(const struct insn *i);
/* Does it address its operand by the stack pointer that it leaves? */
bool touch_pops_before(const struct insn *i);
/* The address in the instruction. */
uint64_t touch_moffs(const struct insn *i);

#endif
