/*
 * What slots are: private to slot-x86_64.c, slot-signal.c and step-x86_64.c.
 */
#ifndef TARGET_LINUX_PTRACE_SLOT_PRIVATE_H
#define TARGET_LINUX_PTRACE_SLOT_PRIVATE_H

#include "arch/x86_64/relocate.h"
#include "base/map.h"
#include "target/linux-ptrace/slot.h"

#define REGION_SIZE 0x10000u
#define SLOT_SIZE X86_SLOT_MAX
#define SLOTS_IN_REGION (REGION_SIZE / SLOT_SIZE)

struct slot {
	uint64_t at;			/* in the process */
	uint8_t original[X86_INSN_MAX]; /* the bytes it was made from */
	struct x86_slot code;
};

struct region {
	uint64_t base;
	bool steps; /* its slots are those of step.h */
	unsigned used;
	struct slot slots[SLOTS_IN_REGION];
};

struct slots {
	unsigned refs;
	bool refused;	 /* nothing can be injected here */
	struct map by_pc; /* original pc + 1 -> struct slot, borrowed */
	struct region **regions;
	size_t n_regions;
	struct map by_step; /* the same of slots for steps */
	bool step_refused;  /* there can be no more regions for those */
};

/* Those of the process's memory, made when first asked for. */
struct slots *slots_of(struct linux_target *lt, struct process *p);

/* A new one, mapped near pc by a call of the stopped lwp; it is in s. NULL:
 * there can be none. */
struct region *slot_region_add(struct linux_target *lt, struct lwp *lwp,
			       struct slots *s, uint64_t pc);

/* Is pc so near that what counts from it does so from there? */
bool slot_reaches(const struct region *r, uint64_t pc);

/* The slot's code is put into the process: false if it cannot be. */
bool slot_write(struct linux_target *lt, struct process *p,
		const struct slot *slot);

/* It was made of these len bytes. */
void slot_note_original(struct slot *slot, const uint8_t *code, size_t len);
/* Was the slot made of the instruction that begins the len bytes of code? The
 * program may have changed it since. */
bool slot_is_current(const struct slot *slot, const uint8_t *code, size_t len);

/* The point that the stopped lwp is at; NULL: it is in no slot. */
const struct x86_point *slot_point(struct lwp *lwp);

#endif
