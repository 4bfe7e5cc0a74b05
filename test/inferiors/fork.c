/* fork [vfork] [N]: N children, each passing through in_both() as its parent
 * does; the parent's status is the number of children that ended with 7. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

volatile int passes;

__attribute__((noinline)) void in_both(void)
{
	passes++;
}

__attribute__((noinline)) void parent_done(int good)
{
	passes = good;
}

int main(int argc, char **argv)
{
	int shared = argc > 1 && !strcmp(argv[1], "vfork");
	int n = argc > 1 + shared ? atoi(argv[1 + shared]) : 3;
	int good = 0, status;

	in_both();
	for (int i = 0; i < n; i++) {
		pid_t pid = shared ? vfork() : fork();

		if (pid == 0) {
			in_both();
			_exit(7);
		}
		if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		    WEXITSTATUS(status) == 7)
			good++;
	}
	parent_done(good);
	return good;
}
