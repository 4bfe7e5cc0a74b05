/*
 * Whether this machine executes a program of the tests, found out by trying
 * it: some kernels for x86-64 execute no i386 programs.
 */
#ifndef TEST_EXECUTES_H
#define TEST_EXECUTES_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool executes_is_i386(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf32_Ehdr head;
	ssize_t n = read(fd, &head, sizeof(head));

	close(fd);
	return n == sizeof(head) && head.e_ident[EI_CLASS] == ELFCLASS32 &&
	       head.e_machine == EM_386;
}

/* True but where the kernel refuses to: that programs fail is for tests. */
static inline bool executes_i386(void)
{
	const char *dir = getenv("TS_INFERIORS");
	char path[4096];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/probe-i386",
		 dir ? dir : "build/rel/test/inferiors");
	pid = fork();
	if (pid == 0) {
		execl(path, path, NULL);
		_exit(errno == ENOEXEC && executes_is_i386(path) ? 77 : 1);
	}
	return waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	       WEXITSTATUS(status) != 77;
}

/* False, and says so, where it is not built or cannot be executed. */
static inline bool executes(const char *path)
{
	if (access(path, X_OK)) {
		print_message("skipped: %s was not built (its compiler is "
			      "missing?)\n",
			      path);
		return false;
	}
	if (!executes_is_i386(path) || executes_i386())
		return true;
	print_message("skipped: this kernel executes no i386 programs\n");
	return false;
}

#endif
