/* Bytes to hex digits and back. Lower case out, either case in. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Writes 2 * n digits, no terminator. */
void hex_encode(char *out, const void *in, size_t n);

/* Reads 2 * n digits into n bytes; false (out undefined) on any non-digit. */
bool hex_decode(void *out, const char *in, size_t n);

/* 0..15, or -1. */
int hex_digit(char c);

#endif
