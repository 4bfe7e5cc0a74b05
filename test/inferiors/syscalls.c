/* syscalls [block]: a pipe to itself, getppid() in a loop; "block": reads a
 * pipe that nobody writes, for ever. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

volatile int loops;
volatile long got;

__attribute__((noinline)) void blocked(int fd)
{
	char c;
	got = read(fd, &c, 1);
}

__attribute__((noinline)) void turn(int fd[2])
{
	char c = 'x';
	got = write(fd[1], &c, 1);
	got = read(fd[0], &c, 1);
	syscall(SYS_getppid);
	loops++;
}

int main(int argc, char **argv)
{
	int fd[2];

	if (pipe(fd))
		return 1;
	setbuf(stdout, NULL);
	puts("ready");
	if (argc > 1 && !strcmp(argv[1], "block"))
		blocked(fd[0]);
	for (int i = 0; i < 5; i++)
		turn(fd);
	printf("loops %d\n", loops);
	return 0;
}
