/*
 * Single steps by slots: the instruction is executed in a slot that ends in
 * breakpoints (arch/x86_64/step.h), and what follows is as after a step that
 * the processor made.
 *
 * Hypervisors intercept debug exceptions, and the registers that the kernel
 * asks and clears at each: on a virtual machine of KVM's PTRACE_SINGLESTEP and
 * its wait take 17 to 30 us, a breakpoint and its wait 5. Where there is none
 * the two are alike, and slots are not used. Nor are they before steps have
 * become so frequent that no person makes them (affinity.h), as the first maps
 * memory in the program.
 *
 * Whatever a hypervisor executes in the processor's place is no step on some of
 * them: it forgets the trap flag, and the step ends behind the next
 * instruction. A cpuid is stepped in a slot wherever there is a hypervisor.
 */
#ifndef TARGET_LINUX_PTRACE_STEP_H
#define TARGET_LINUX_PTRACE_STEP_H

#include "target/linux-ptrace/lwp.h"

/*
 * The stopped lwp, whose registers are flushed, is to make a step. True: it is
 * in_slot, at the start of one, and has to be set going as if to continue.
 * False: it is as it was, and the processor has to step it.
 */
bool step_by_slot(struct linux_target *lt, struct lwp *lwp);

/* The lwp, stopped by a breakpoint exception: was it the end of such a step? */
bool step_has_ended(struct lwp *lwp);

#endif
