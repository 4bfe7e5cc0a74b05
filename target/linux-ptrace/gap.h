/* Room for mappings of ours in a program. */
#ifndef TARGET_LINUX_PTRACE_GAP_H
#define TARGET_LINUX_PTRACE_GAP_H

#include <stdint.h>
#include <sys/types.h>

/*
 * The place for a mapping of so many bytes near addr, less than reach away: by
 * /proc/PID/maps, at the moment. 0: there is none.
 *
 * In wide gaps it is far below the next mapping: the kernel puts what a program
 * maps next right below what there is (vm_unmapped_area() in its mmap.c, top
 * down), and addresses are to be what they are without us. Else it is right
 * below one, with a page between. Not below the stack, which grows down, and so
 * never next to the heap's end either, which grows up into the start of its
 * gap.
 */
uint64_t gap_find(pid_t pid, uint64_t addr, uint64_t size, uint64_t reach);

#endif
