/* named: gives itself a name in a system call behind a trap of its own; then
 * another thread gives it one after the other. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static pthread_t first;

static void *rename_first(void *arg)
{
	char name[16];

	(void)arg;
	for (unsigned i = 0;; i++) {
		snprintf(name, sizeof(name), "name %u", i % 1000);
		pthread_setname_np(first, name);
	}
	return NULL;
}

static void rename_self(const char *name)
{
	long r;

	__asm__ volatile("int3\n\tnop\n\tsyscall\n\tnop\n\tnop\n\tint3"
			 : "=a"(r)
			 : "0"(SYS_prctl), "D"(PR_SET_NAME), "S"(name)
			 : "rcx", "r11", "memory");
}

int main(void)
{
	pthread_t other;

	rename_self("renamed");
	first = pthread_self();
	if (pthread_create(&other, NULL, rename_first, NULL))
		return 1;
	__asm__ volatile("int3");
	for (volatile unsigned i = 0;; i++)
		;
}
