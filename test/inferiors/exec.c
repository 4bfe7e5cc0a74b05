/* exec [thread|self]: becomes itself with the argument "again", or /bin/echo;
 * "thread": a thread that is not the leader does it. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) void before(void)
{
	fflush(stdout);
}

__attribute__((noinline)) void after(void)
{
	puts("image two");
}

static char *self;

static void *become(void *arg)
{
	(void)arg;
	before();
	execl("/proc/self/exe", self, "again", (char *)NULL);
	return NULL;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "echo";
	pthread_t t;

	self = argv[0];
	if (!strcmp(mode, "again")) {
		after();
	} else if (!strcmp(mode, "self")) {
		become(NULL);
	} else if (!strcmp(mode, "thread")) {
		pthread_create(&t, NULL, become, NULL);
		pthread_join(t, NULL);
	} else {
		before();
		execl("/bin/echo", "echo", "from", "exec", (char *)NULL);
	}
	return 0;
}
