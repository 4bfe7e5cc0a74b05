/*
 * What a killed server's guardian puts back. The server is a process of the
 * test's that has a guardian and is killed; the program it had attached to is
 * another, with a "breakpoint" in memory that both share with the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/linux-ptrace/guardian.h"

#define TRAP	 0xcc
#define ORIGINAL 0x55

static void *stay(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* A program with one thread more when its leader is to end before it. */
static pid_t start_program(bool leader_ends)
{
	pthread_t t;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!leader_ends)
		stay(NULL);
	pthread_create(&t, NULL, stay, NULL);
	syscall(SYS_exit, 0); /* of this thread alone */
	return -1;
}

/* No robust mutex will be handed on. */
static void lose_mutexes(void)
{
	static struct robust_list_head none = { .list = { &none.list } };

	syscall(SYS_set_robust_list, &none, sizeof(none));
}

static void serve_and_die(pid_t program, uint8_t *at, bool lost)
{
	const struct arch a = { .trap = { TRAP }, .trap_len = 1 };
	const uint8_t original[ARCH_TRAP_MAX] = { ORIGINAL };
	struct guardian *g = guardian_new();

	if (g && guardian_trap(g, program, &a, (uintptr_t)at, original))
		*at = TRAP;
	if (lost)
		lose_mutexes();
	raise(SIGKILL);
}

static bool can_write(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	close(fd);
	return fd >= 0;
}

static void put_back(bool leader_ends, bool lost)
{
	volatile uint8_t *at = mmap(NULL, 1, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t program, server;

	assert_ptr_not_equal(at, MAP_FAILED);
	program = start_program(leader_ends);
	if (!leader_ends && !can_write(program))
		skip();
	server = fork();
	if (!server)
		serve_and_die(program, (uint8_t *)at, lost);
	waitpid(server, NULL, 0);
	for (int i = 0; i < 1000 && *at != ORIGINAL; i++)
		usleep(10000);
	kill(program, SIGKILL);
	waitpid(program, NULL, 0);
	assert_int_equal(*at, ORIGINAL);
	munmap((void *)at, 1);
}

static void test_killed(void **state)
{
	(void)state;
	put_back(false, false);
}

/* /proc/PID/mem cannot be opened. */
static void test_leader_ended(void **state)
{
	(void)state;
	put_back(true, false);
}

static void test_mutex_lost(void **state)
{
	(void)state;
	put_back(false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_leader_ended),
		cmocka_unit_test(test_mutex_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
