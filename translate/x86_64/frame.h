/* Calls of functions of the program, by a thread that is stopped: private to
 * translate/. */
#ifndef TRANSLATE_X86_64_FRAME_H
#define TRANSLATE_X86_64_FRAME_H

#include "translate/layer.h"
#include "translate/run.h"

/* The lower thread, whose registers are all there, calls the function from its
 * next resume on, which returns to back. -EFAULT: it has no stack. */
int frame_write(struct translator *tr, struct thread *low,
		const struct run_call *call, uint64_t back);

/* What a function has returned, of its registers, or NULL. */
uint64_t frame_value(const uint8_t *regs);

#endif
