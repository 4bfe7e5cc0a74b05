/* What the inferiors of the translator's tests (tr_*) share.
 *
 * Such a program is a list of cases. Each case checks what it can check
 * itself, prints what else must be the same followed as native, and nothing
 * that differs from run to run: no addresses, times, process numbers.
 *
 *	tr_branch                 all cases, in order
 *	tr_branch loop push_ret   these only
 *	TR_REPEAT=50 tr_branch    all of them so often, printed once
 *	TR_UNTIL=FILE tr_branch   ... or until there is such a file
 *
 * exit status: 0, or 1 where a check failed; what failed is printed.
 */
#ifndef TEST_INFERIORS_TR_H
#define TEST_INFERIORS_TR_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef __unused
#define __unused __attribute__((unused))
#endif
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct tr_case {
	const char *name;
	void (*run)(void);
};

static int tr_failures;
static const char *tr_name = "";
static int tr_round;

/* Prints a line of the case, in the first round. */
__unused __attribute__((format(printf, 1, 2))) static void say(const char *form,
							       ...)
{
	va_list args;

	if (tr_round)
		return;
	printf("%s: ", tr_name);
	va_start(args, form);
	vprintf(form, args);
	va_end(args);
	putchar('\n');
}

__unused static void tr_fail(int line, const char *what, long got, long want)
{
	__atomic_fetch_add(&tr_failures, 1, __ATOMIC_SEQ_CST);
	printf("%s: FAILED in line %d, round %d: %s: %#lx, wanted %#lx\n",
	       tr_name, line, tr_round, what, got, want);
}

/* Both evaluate their arguments once; 1 where it holds. */
#define EXPECT(got, want)                                      \
	({                                                     \
		long got_ = (long)(got), want_ = (long)(want); \
		if (got_ != want_)                             \
			tr_fail(__LINE__, #got, got_, want_);  \
		got_ == want_;                                 \
	})
#define CHECK(what) EXPECT(!!(what), 1)

__unused static int tr_wanted(const char *name, int argc, char **argv)
{
	if (argc < 2)
		return 1;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return 1;
	return 0;
}

__unused static void tr_run_cases(int argc, char **argv,
				  const struct tr_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int before = tr_failures;

		if (!tr_wanted(cases[i].name, argc, argv))
			continue;
		tr_name = cases[i].name;
		cases[i].run();
		if (tr_failures == before)
			say("ok");
		fflush(stdout);
	}
}

/* main() of such a program: its exit status. */
__unused static int tr_main(int argc, char **argv, const struct tr_case *cases,
			    size_t n)
{
	const char *repeat = getenv("TR_REPEAT"), *until = getenv("TR_UNTIL");
	int rounds = repeat ? atoi(repeat) : 1;

	do {
		tr_run_cases(argc, argv, cases, n);
		tr_round++;
	} while (tr_round < rounds || (until && access(until, F_OK) != 0));
	return tr_failures != 0;
}

#endif
