/*
 * Single steps without the trap flag: one instruction, relocated into a slot
 * (arch/x86_64/relocate.h), ends in a breakpoint exception wherever it goes on.
 * Under a hypervisor a debug exception costs several times as much as that.
 * Pure.
 *
 * Only where a program sees no difference, and a step of the processor's is no
 * other: not the x87's, which keep their address; nor what may go anywhere or
 * be repeated, changes the trap flag, or holds debug exceptions off.
 */
#ifndef ARCH_X86_64_STEP_H
#define ARCH_X86_64_STEP_H

#include "arch/x86_64/relocate.h"

/*
 * For the instruction at pc of 64-bit mode, whose bytes are at code (avail of
 * them), to be run in a slot at that address. Behind each breakpoint there is a
 * point X86_POINT_STEPPED, from where a thread that nobody traces any more gets
 * to where it should be. Returns the original's length, or as x86_relocate();
 * -ENOEXEC: the trap flag has to do it.
 */
int x86_step_slot(const uint8_t *code, size_t avail, uint64_t pc,
		  uint64_t slot, struct x86_slot *out);

/* Is the instruction one that a hypervisor executes in the processor's place,
 * cpuid? Some forget the trap flag: the step ends behind the next one. */
bool x86_step_is_emulated(const uint8_t *code, size_t avail);

#endif
