/* Agent expressions written in hex, as they go over the wire. */
#ifndef TEST_UNIT_AX_HEX_H
#define TEST_UNIT_AX_HEX_H

#include "agent/program.h"
#include "base/hex.h"

/* Digits may be set apart by spaces. */
static inline int ax_load_hex(const char *text, struct ax_program **p,
			      struct err *e)
{
	char digits[1024];
	uint8_t code[sizeof(digits) / 2];
	size_t n = 0;

	for (; *text; text++)
		if (*text != ' ')
			digits[n++] = *text;
	assert_true(n < sizeof(digits) && hex_decode(code, digits, n / 2));
	return ax_load(p, code, n / 2, e);
}

#endif
