/* A program that is run by single steps, at the addresses that it always has:
 * what stepper.c and laststeps.c have in common. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* A step across processors takes ten times as long. */
static inline void stay_on_this_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* It has stopped at its first instruction. */
static inline pid_t start(char **argv, int options)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		personality(ADDR_NO_RANDOMIZE);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[0], argv);
		_exit(125);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
	       (void *)(long)(options | PTRACE_O_EXITKILL));
	return pid;
}

struct code {
	uint8_t bytes[8];
};

static inline struct code code_at(pid_t pid, uint64_t pc)
{
	long word = ptrace(PTRACE_PEEKTEXT, pid, (void *)pc, NULL);
	struct code c;

	memcpy(c.bytes, &word, sizeof(word));
	return c;
}

/* Is it one that repeats itself? Then a step is an iteration. */
static inline bool repeats(pid_t pid, uint64_t pc)
{
	struct code c = code_at(pid, pc);
	const uint8_t *p = c.bytes;
	bool rep = false;

	for (; *p == 0xf2 || *p == 0xf3 || *p == 0x66 || *p == 0x67; p++)
		rep |= *p >= 0xf2;
	if (*p >> 4 == 4)
		p++;
	return rep &&
	       ((*p >= 0xa4 && *p <= 0xa7) || (*p >= 0xaa && *p <= 0xaf));
}

/* Some virtual processors forget the trap flag over a cpuid: a step from last,
 * without a signal, that has ended at pc was over the one behind it, too. That
 * one's address; 0: it was not. */
static inline uint64_t stepped_too(pid_t pid, uint64_t last, uint64_t pc)
{
	struct code c = code_at(pid, last);
	bool is_cpuid = c.bytes[0] == 0x0f && c.bytes[1] == 0xa2;

	return is_cpuid && pc != last && pc != last + 2 ? last + 2 : 0;
}
