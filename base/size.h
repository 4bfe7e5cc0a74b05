/* Sizes as people write them: 300, 64k, 32M, 1G; powers of 1024. */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stdint.h>

/* -EINVAL: that is none; -ERANGE: it has more than 64 bits. */
int size_parse(const char *text, uint64_t *out);

#endif
