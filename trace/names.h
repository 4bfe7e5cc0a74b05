/* Strings with numbers: dense, from 1, in the order in which they came. */
#ifndef TRACE_NAMES_H
#define TRACE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

/* Zero-initialised is empty. */
struct names {
	char **all;	/* [0] is not used */
	uint32_t *next; /* of the same hash */
	uint32_t n, cap;
	struct map by_hash;
};

/* A number for it, the same each time. */
uint32_t names_id(struct names *s, const char *name);
/* 0: there is none. length: not all of name need be the name. */
uint32_t names_find(const struct names *s, const char *name, size_t length);
void names_fini(struct names *s);

#endif
