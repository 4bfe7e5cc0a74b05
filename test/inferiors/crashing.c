/* crashing HOW [FILTER]: three threads wait, memory of all kinds is mapped,
 * and it dies in crash() as HOW says ("told": once there is a file `go'); FILTER
 * is for its coredump_filter. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define N    3
#define SIZE 65536

char bss[SIZE * 4], *anonymous, *untouched, *none, *unwanted, *shared, *file;
char *changed, *sparse;
double x87 = 1.5;
volatile int handled, stay = 1;
static pthread_barrier_t there;

static void *map(size_t size, int prot, int flags, int fd)
{
	return mmap(NULL, size, prot, flags, fd, 0);
}

static void map_all(const char *self)
{
	const int rw = PROT_READ | PROT_WRITE;
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS;
	int fd = open(self, O_RDONLY);
	int memory = (int)syscall(SYS_memfd_create, "sparse", 0);

	anonymous = map(SIZE, rw, anon, -1);
	strcpy(anonymous + 5000, "in anonymous memory");
	untouched = map(SIZE, rw, anon, -1);
	none = map(SIZE, rw, anon, -1);
	strcpy(none, "behind a protection");
	mprotect(none, SIZE, PROT_NONE);
	unwanted = map(SIZE, rw, anon, -1);
	memset(unwanted, 1, SIZE);
	madvise(unwanted, SIZE, MADV_DONTDUMP);
	shared = map(SIZE, rw, MAP_SHARED | MAP_ANONYMOUS, -1);
	strcpy(shared + 9000, "in shared memory");
	file = map(SIZE / 16, PROT_READ, MAP_PRIVATE, fd);
	changed = map(SIZE / 16, rw, MAP_PRIVATE, fd);
	strcpy(changed + 100, "in a changed file");
	if (ftruncate(memory, 16 << 20) == 0)
		sparse = map(16 << 20, rw, MAP_SHARED, memory);
	strcpy(sparse + (10 << 20), "in a hole");
	close(fd);
}

__attribute__((noinline)) void deep(int n)
{
	if (n > 1) {
		deep(n - 1);
	} else {
		pthread_barrier_wait(&there);
		while (stay)
			pause();
	}
	__asm__ volatile("" ::: "memory");
}

static void *body(void *arg)
{
	deep((int)(long)arg);
	return NULL;
}

__attribute__((noinline)) void crash(void)
{
	int vector[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	__asm__ volatile("fldl %0\n\tvmovups %1, %%ymm5\n\t"
			 "movl $0, 16"
			 :: "m"(x87), "m"(vector));
}

static void on_signal(int signo)
{
	handled = signo;
	_exit(7);
}

__attribute__((noinline)) int overflow(int n)
{
	volatile char room[4096];

	room[0] = (char)n;
	return stay ? overflow(n + 1) + room[0] : 0;
}

static void *crash_too(void *arg)
{
	pthread_barrier_wait(arg);
	crash();
	return NULL;
}

static void crash_twice(void)
{
	pthread_barrier_t both;
	pthread_t t;

	pthread_barrier_init(&both, NULL, 2);
	pthread_create(&t, NULL, crash_too, &both);
	crash_too(&both);
}

static int fork_and_crash(void)
{
	int status = 0;

	if (fork() == 0)
		crash();
	wait(&status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 1;
}

static void set_filter(const char *text)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		exit(3);
	close(fd);
}

__attribute__((noinline)) void ready(void)
{
	__asm__ volatile("" ::: "memory");
}

static int die(const char *how)
{
	sigset_t quit;

	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "fork"))
		return fork_and_crash();
	if (!strcmp(how, "told"))
		while (access("go", F_OK) < 0)
			usleep(1000);
	if (!strcmp(how, "both"))
		crash_twice();
	if (!strcmp(how, "handler") || !strcmp(how, "overflow"))
		signal(SIGSEGV, on_signal);
	if (!strcmp(how, "overflow"))
		overflow(0);
	if (!strcmp(how, "ignore")) {
		signal(SIGQUIT, SIG_IGN);
		raise(SIGQUIT);
		return 0;
	}
	if (!strcmp(how, "block")) {
		sigemptyset(&quit);
		sigaddset(&quit, SIGQUIT);
		pthread_sigmask(SIG_BLOCK, &quit, NULL);
		raise(SIGQUIT);
		return 0;
	}
	if (!strcmp(how, "term"))
		raise(SIGTERM);
	crash();
	return 0;
}

int main(int argc, char **argv)
{
	pthread_attr_t small;
	pthread_t t[N];

	if (argc < 2)
		return 2;
	if (argc > 2)
		set_filter(argv[2]);
	map_all(argv[0]);
	pthread_barrier_init(&there, NULL, N + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 4 * SIZE);
	for (long i = 0; i < N; i++)
		pthread_create(&t[i], &small, body, (void *)(i + 1));
	pthread_barrier_wait(&there);
	while (syscall(SYS_sched_yield), usleep(20000))
		;
	ready();
	return die(argv[1]);
}
