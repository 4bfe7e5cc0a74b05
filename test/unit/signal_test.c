/*
 * Against the names: gdb's table gives each of its numbers a name, libc each
 * of the host's. The names below are those of gdb 13's signals.def.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "rsp/signal.h"

static const char *const gdb_names[] = {
	"0",	 "HUP",	 "INT",	 "QUIT",    "ILL",  "TRAP",  "ABRT", "EMT",
	"FPE",	 "KILL", "BUS",	 "SEGV",    "SYS",  "PIPE",  "ALRM", "TERM",
	"URG",	 "STOP", "TSTP", "CONT",    "CHLD", "TTIN",  "TTOU", "IO",
	"XCPU",	 "XFSZ", "VTALRM", "PROF",  "WINCH", "LOST", "USR1", "USR2",
	"PWR",	 "POLL",
};

/* gdb's name for its number, of those that Linux could have. */
static const char *gdb_name(int number, char text[12])
{
	int rt = 0;

	if (number < (int)ARRAY_SIZE(gdb_names))
		return gdb_names[number];
	if (number >= 45 && number <= 75)
		rt = number - 45 + 33;
	else if (number == 77 || number == 78)
		rt = number == 77 ? 32 : 64;
	if (!rt)
		return "none";
	snprintf(text, 12, "%d", rt);
	return text;
}

static const char *host_name(int signo, char text[12])
{
	/* libc's own name for it is POLL; gdb's stub says IO. */
	if (signo == SIGIO)
		return "IO";
	if (signo < 32)
		return sigabbrev_np(signo);
	snprintf(text, 12, "%d", signo);
	return text;
}

static void test_names(void **state)
{
	char a[12], b[12];

	(void)state;
	for (int signo = 1; signo <= 64; signo++) {
		int number = signal_to_gdb(signo);

		if (signo == SIGSTKFLT)
			assert_int_equal(number, GDB_SIGNAL_UNKNOWN);
		else
			assert_string_equal(gdb_name(number, a),
					    host_name(signo, b));
	}
}

static void test_round_trip(void **state)
{
	bool seen[256] = { false };

	(void)state;
	assert_int_equal(signal_to_gdb(0), 0);
	assert_int_equal(signal_from_gdb(0), 0);
	for (int signo = 1; signo <= 64; signo++) {
		int number = signal_to_gdb(signo);

		assert_in_range(number, 1, 255);
		assert_false(seen[number]);
		seen[number] = true;
		assert_int_equal(signal_from_gdb(number), signo);
	}
}

static void test_others(void **state)
{
	static const int none[] = { -1, 7, 29, 34, 44, 76, 79, 142, 144, 150,
				    255, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_int_equal(signal_from_gdb(none[i]), -EINVAL);
	assert_int_equal(signal_from_gdb(33), SIGPOLL);
	assert_int_equal(signal_to_gdb(-1), GDB_SIGNAL_UNKNOWN);
	assert_int_equal(signal_to_gdb(65), GDB_SIGNAL_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
