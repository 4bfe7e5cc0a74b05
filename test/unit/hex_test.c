/* Against printf and strtoul of libc, at every length and alignment. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

#define MAX 150

static uint8_t bytes[MAX + 8];
static char digits[2 * MAX + 1];

static void fill(size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bytes[at + i] = (uint8_t)(rand() >> 5);
		sprintf(digits + 2 * i, "%02x", bytes[at + i]);
	}
}

static void test_encode(void **state)
{
	char out[2 * MAX + 3];

	(void)state;
	for (size_t n = 0; n < MAX; n++) {
		fill(n % 8, n);
		memset(out, '!', sizeof(out));
		hex_encode(out + n % 3, bytes + n % 8, n);
		assert_memory_equal(out + n % 3, digits, 2 * n);
		assert_int_equal(out[n % 3 + 2 * n], '!');
	}
}

static void test_decode(void **state)
{
	uint8_t out[MAX + 8];

	(void)state;
	for (size_t n = 0; n < MAX; n++) {
		fill(0, n);
		for (size_t i = 0; i < 2 * n; i += 3) {
			if (digits[i] >= 'a')
				digits[i] = (char)(digits[i] - 'a' + 'A');
		}
		memset(out, 0x55, sizeof(out));
		assert_true(hex_decode(out + n % 8, digits, n));
		assert_memory_equal(out + n % 8, bytes, n);
		assert_int_equal(out[n % 8 + n], 0x55);
	}
}

/* Every character at every place: refused unless it is a digit. */
static void test_non_digits(void **state)
{
	static const char valid[] = "0123456789abcdefABCDEF";
	uint8_t out[48];

	(void)state;
	memset(digits, '7', 96);
	for (size_t at = 0; at < 96; at++) {
		for (int c = -128; c < 128; c++) {
			bool is = c && strchr(valid, c);
			char text[2] = { (char)c, 0 };

			digits[at] = (char)c;
			assert_int_equal(hex_decode(out, digits, 48), is);
			assert_int_equal(hex_digit((char)c) >= 0, is);
			if (!is)
				continue;
			assert_int_equal(hex_digit((char)c),
					 strtoul(text, NULL, 16));
			assert_int_equal(at % 2 ? out[at / 2] & 15
						: out[at / 2] >> 4,
					 strtoul(text, NULL, 16));
		}
		digits[at] = '7';
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_non_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
