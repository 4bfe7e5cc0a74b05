/*
 * System calls that the server looks at before they are made, because they
 * change what is mapped, or the thread as a whole. Private to translate/.
 */
#ifndef TRANSLATE_X86_64_WATCH_H
#define TRANSLATE_X86_64_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "translate/sigtrap.h"

struct space;

/* How a call is made. */
enum watch_way {
	WATCH_PLAIN,  /* from the cache, as any */
	WATCH_RETURN, /* rt_sigreturn: by itself, from the original code */
	WATCH_LEAVE,  /* natively, by a process that is let go of first */
	WATCH_NATIVE, /* so too, and lo..hi changes */
	WATCH_FORK,   /* so too: the child has no cache */
	WATCH_ACTION, /* so too, and sets what SIGTRAP does */
};

struct watch {
	enum watch_way way;
	uint64_t lo, hi; /* original code there is forgotten afterwards */
	int32_t traces;	 /* a thread that the caller is about to trace; or 0 */
	bool by_result;	 /* the range begins where the call says */
	bool steps;	 /* it sets the flag that makes the program step */
	bool stays;	 /* what is mapped there, with other rights */
	uint64_t also_lo, also_hi; /* one more that is forgotten */
	struct trap_action action;
};

/* Nonzero bytes for the numbers that are watched: TAB_SYSCALLS. */
void watch_table_fill(uint8_t *table);

/* Calls that open files are watched too, or no more. */
void watch_files(struct space *sp, bool watched);

/* Calls that move the end of the heap are, where that is code, or no more. */
void watch_heap(struct space *sp, bool wanted);

/* Calls that a thread may not come back from are, or no more. */
void watch_ends(struct space *sp, bool watched);
bool watch_may_end(uint32_t nr);

/* Is a call of that number watched, at times at least? */
bool watch_wants(uint32_t nr);

/* ... and may it change code, or what a signal does, for other threads? */
bool watch_matters(uint32_t nr);

/* The thread with that image is about to make its call. */
struct watch watch_call(struct space *sp, uint8_t *image);

#endif
