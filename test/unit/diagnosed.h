/*
 * For tests of what is said of refusals, which are the kernel's own. Include it
 * in the one file of a test.
 */
#ifndef TEST_DIAGNOSED_H
#define TEST_DIAGNOSED_H

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/linux-ptrace/diagnose.h"

#define NOBODY 65534

static void expect(const struct err *e, const char *part)
{
	if (!strstr(e->text, part))
		print_message("said: %s\n", e->text);
	assert_non_null(strstr(e->text, part));
	assert_null(strchr(e->text, '\n'));
}

static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("needs root\n");
	skip();
}

/* A child that could not become what the case is about. */
static void skip_if_refused(int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 77)
		return;
	print_message("not permitted here\n");
	skip();
}

#endif
