/*
 * Binary search: the index of the first of n things for which an expression
 * holds, as it does for all behind it then; n: for none.
 *
 *	at = SEARCH_FIRST(l->n, i, l->all[i].begin > offset);
 */
#ifndef BASE_SEARCH_H
#define BASE_SEARCH_H

#include <stddef.h>

#define SEARCH_FIRST(n, i, holds)                               \
	({                                                      \
		size_t search_lo = 0, search_hi = (n);          \
                                                                \
		while (search_lo < search_hi) {                 \
			size_t i = (search_lo + search_hi) / 2; \
                                                                \
			if (holds)                              \
				search_hi = i;                  \
			else                                    \
				search_lo = i + 1;              \
		}                                               \
		search_lo;                                      \
	})

#endif
