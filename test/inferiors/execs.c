/*
 * execs MODE: the ways into another program.
 *
 *	thread		a thread that is not the leader execs "again"
 *	busy		the same while four others spin and the leader sleeps
 *	gone		the same after the leader has ended
 *	memfd		becomes a copy of itself in a memfd, "again"
 *	again		the new program: calls after(), ends with 9
 *	deleted		removes its own file, then calls after()
 *	fds		closes every descriptor, opens others in their place,
 *			then calls after() until go is set
 *	loop		calls after() until go is set, then ends with 3
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

volatile int go, passes;

__attribute__((noinline)) void before(void)
{
	passes++;
}

__attribute__((noinline)) void after(void)
{
	passes++;
}

static char *const again[] = { "execs", "again", NULL };
extern char **environ;

static void *become(void *arg)
{
	before();
	usleep(arg ? 20000 : 1000);
	/* Not /proc/self: the leader may have gone. */
	execv("/proc/thread-self/exe", again);
	return arg;
}

static void *spin(void *arg)
{
	for (;;)
		passes++;
	return arg;
}

static int from_memfd(void)
{
	int in = open("/proc/self/exe", O_RDONLY);
	int out = memfd_create("program", MFD_CLOEXEC);
	struct stat st;
	char path[32];

	if (in < 0 || out < 0 || fstat(in, &st) < 0 ||
	    sendfile(out, in, NULL, (size_t)st.st_size) != st.st_size)
		return 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
	before();
	execv(path, again);
	return 2;
}

static void reuse_descriptors(void)
{
	syscall(SYS_close_range, 0u, ~0u, 0);
	for (int i = 0; i < 100; i++)
		open("/dev/null", O_RDWR);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	pthread_t t;

	alarm(60);
	if (!strcmp(mode, "again")) {
		after();
		return 9;
	} else if (!strcmp(mode, "memfd")) {
		return from_memfd();
	} else if (!strcmp(mode, "deleted")) {
		unlink(argv[0]);
		after();
		return 4;
	} else if (!strcmp(mode, "fds")) {
		reuse_descriptors();
		do
			after();
		while (!go);
		return 3;
	} else if (!strcmp(mode, "loop")) {
		puts("ready");
		fflush(stdout);
		while (!go) {
			after();
			usleep(1000);
		}
		return 3;
	}
	if (!strcmp(mode, "busy")) {
		for (int i = 0; i < 4; i++)
			pthread_create(&t, NULL, spin, NULL);
	}
	pthread_create(&t, NULL, become,
		       strcmp(mode, "thread") ? argv : NULL);
	if (!strcmp(mode, "gone"))
		pthread_exit(NULL);
	pthread_join(t, NULL);
	return 1;
}
