/*
 * A cursor over a packet's arguments. Every take_ moves past what it took and
 * returns true; on a mismatch it returns false, has not moved, and has left
 * its outputs alone. Nothing is allocated but by take_hex_string().
 *
 *	if (!take_hex(a, &addr) || !take_char(a, ',') || !take_hex(a, &len) ||
 *	    !take_end(a))
 *		return -EPROTO;
 *
 * The bytes are borrowed: they hold as long as the payload they came from
 * (rsp/link.h). frame_feed() has already undone escapes, so binary arguments
 * are what is left: take_rest().
 */
#ifndef RSP_ARGS_H
#define RSP_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ptid.h"

struct args {
	const char *p, *end;
};

static inline struct args args_of(const char *payload, size_t len)
{
	return (struct args){ payload, payload + len };
}

static inline size_t args_left(const struct args *a)
{
	return (size_t)(a->end - a->p);
}

/* Nothing is left. */
static inline bool take_end(const struct args *a)
{
	return a->p == a->end;
}

bool take_char(struct args *a, char c);

/* These very characters; what follows them does not matter. */
bool take_name(struct args *a, const char *name);

/* 1 to 16 hex digits, no sign, no 0x; a 17th is a mismatch. */
bool take_hex(struct args *a, uint64_t *v);

/* The same, and at most max. */
bool take_hex_max(struct args *a, uint64_t max, uint64_t *v);

/* 2 * n hex digits as n bytes; what is in buf is lost on a mismatch. */
bool take_bytes(struct args *a, void *buf, size_t n);

/*
 * Up to, not past, the first character that is in stops, or to the end. A
 * word between two separators may be empty; where nothing is left there is
 * none, and *word is empty, so that a list is
 *	while (take_word(a, ";", &word)) {
 *		...
 *		take_char(a, ';');
 *	}
 */
bool take_word(struct args *a, const char *stops, struct args *word);

/*
 * "pPID.TID", "pPID" (all its threads), "TID", each id hex or -1, as base/
 * ptid.h means them. A plain TID leaves the pid 0, but -1 is {-1, -1}. Ids
 * that no process can have are a mismatch, and so is one thread of all
 * processes (gdb manual, "Packets", thread-id syntax).
 */
bool take_ptid(struct args *a, struct ptid *id);

/*
 * Hex digits in pairs as a string for the caller to free(), up to the first
 * character that is no digit: 0 to max bytes and none of them zero, because
 * they are names for system calls.
 */
bool take_hex_string(struct args *a, size_t max, char **s);

/* All that is left, bytes of any value. */
struct args take_rest(struct args *a);

#endif
