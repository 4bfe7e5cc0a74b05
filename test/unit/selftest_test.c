/* The self-test on this machine as it is, and with system calls denied to it:
 * what it then says must be about them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/selftest.h"
#include "test/unit/deny.h"

/* What it says, the caller's; *result is -(exit status of a child). */
static char *run_denied(int nr, int arg, int *result)
{
	FILE *f = tmpfile();
	char *text = xcalloc(1, 8192);
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (nr >= 0)
			deny(nr, arg, EPERM);
		*result = selftest_run(f);
		fflush(f);
		/* No probe has left a child. */
		if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
			*result = -99;
		_exit(-*result);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	*result = -WEXITSTATUS(status);
	rewind(f);
	assert_true(fread(text, 1, 8191, f) > 0);
	fclose(f);
	return text;
}

static const char *line_find(const char *text, const char *name)
{
	static char line[600];
	const char *p = strstr(text, name);

	assert_non_null(p);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
	return line;
}

static void expect(const char *text, const char *name, const char *what)
{
	const char *line = line_find(text, name);

	if (!strstr(line, what))
		print_message("%s\n", line);
	assert_non_null(strstr(line, what));
}

static void as_it_is(void **state)
{
	int result;
	char *text = run_denied(-1, 0, &result);

	(void)state;
	assert_int_equal(result, 0);
	expect(text, "ptrace ", " ok");
	expect(text, "extended registers", "ok: XSAVE area of ");
	expect(text, "memory write", " ok");
	expect(text, "user ", "ok: ");
	free(text);
}

static const struct denial {
	const char *name, *what;
	int nr, arg, result;
} denials[] = {
	{ "ptrace ", "no: cannot attach", SYS_ptrace, -1, -EPERM },
	{ "ptrace ", "seccomp filter", SYS_ptrace, -1, -EPERM },
	{ "extended registers", "no: the XSAVE area", SYS_ptrace,
	  PTRACE_SETREGSET, -EPERM },
	{ "hardware watchpoints", "no: cannot be set", SYS_ptrace,
	  PTRACE_POKEUSER, 0 },
	{ "memory read", "no: process_vm_readv", SYS_process_vm_readv, -1, 0 },
	{ "memory write", "no: /proc/PID/mem", SYS_pwrite64, -1, -EPERM },
	{ "shared memory", "no: memfd_create", SYS_memfd_create, -1, 0 },
	{ "page faults", "no: userfaultfd", SYS_userfaultfd, -1, 0 },
	{ "socket owners", "no: NETLINK_SOCK_DIAG", SYS_socket, 16, 0 },
};

static void denied(void **state)
{
	int result;
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(denials); i++) {
		text = run_denied(denials[i].nr, denials[i].arg, &result);
		expect(text, denials[i].name, denials[i].what);
		assert_int_equal(result, denials[i].result);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_it_is),
		cmocka_unit_test(denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
