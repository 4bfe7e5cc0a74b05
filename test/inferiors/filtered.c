/* For what is asked for at breakpoints beyond conditions: a function with a
 * number and a string, called by threads that have names. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = { "left", "right", "a longer name" };
volatile long total;
static long times = 1000;

__attribute__((noinline)) void visit(long i, const char *name)
{
	__atomic_fetch_add(&total, i + name[0], __ATOMIC_RELAXED);
}

__attribute__((noinline)) void finish(void)
{
	total++;
}

static void *call(void *which)
{
	const char *name = names[(long)which];

	pthread_setname_np(pthread_self(), name);
	for (long i = 0; i < times; i++)
		visit(i, name);
	return NULL;
}

static void in_threads(void)
{
	pthread_t all[3];

	for (long i = 0; i < 3; i++)
		pthread_create(&all[i], NULL, call, (void *)i);
	for (int i = 0; i < 3; i++)
		pthread_join(all[i], NULL);
}

__attribute__((noinline)) void show(const char *a, const char *b)
{
	total += a != b;
}

/* Of all lengths around 128, that can be read no further, or not at all; and in
 * memory that is another's soon. */
static void strings(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[400];

	mprotect(page + 4096, 4096, PROT_NONE);
	memset(page, 'p', 4095);
	for (long i = 0; i < times; i++) {
		snprintf(text, sizeof(text), "%ld", i);
		show(text, page + 4095 - i % 140);
		memset(text, 'a' + i % 26, sizeof(text));
		text[120 + i % 140] = '\0';
		show(text, "");
		if (i % 50 == 0)
			show(NULL, i % 100 ? (char *)8 : text);
	}
}

static void in_a_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		call(NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	call(NULL);
}

int main(int argc, char **argv)
{
	if (argc > 2)
		times = atol(argv[2]);
	if (!strcmp(argv[1], "threads"))
		in_threads();
	else if (!strcmp(argv[1], "fork"))
		in_a_child();
	else if (!strcmp(argv[1], "strings"))
		strings();
	else
		for (long i = 0; i < times; i++)
			visit(i, names[i % 3]);
	finish();
	return 0;
}
