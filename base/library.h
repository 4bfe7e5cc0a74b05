/*
 * Libraries that are loaded when something of them is wanted, and not with
 * every server: to relocate one may cost more than all else that a server does
 * until its first reply.
 */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

struct library_function {
	const char *name;
	void *at; /* of the pointer to it */
};

/* Loads the library of that name (dlopen(3)), for good, and finds all of the n
 * functions. False: it is not installed, or lacks one. */
bool library_load(const char *library, const struct library_function *all,
		  size_t n);

#endif
