/*
 * stepper FILE PROG [ARG...]: runs a program by single steps, at the addresses
 * that it always has, and writes to FILE what was executed how often:
 *
 *	b PC		where it began
 *	m BASE PATH	the lowest mapping of each file, at the end
 *	i PC COUNT	an instruction; repeated ones (rep) count once
 *
 * It ends as the program did. What a translator counts has to be the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS (1u << 20)

static struct {
	uint64_t pc, count;
} seen[SLOTS];

static uint64_t *count_of(uint64_t pc)
{
	uint32_t i = (uint32_t)(pc * 0x9e3779b97f4a7c15u >> 44) % SLOTS;

	while (seen[i].pc && seen[i].pc != pc)
		i = (i + 1) % SLOTS;
	seen[i].pc = pc;
	return &seen[i].count;
}

/* Is it one that repeats itself? Then a step is an iteration. */
static int repeats(pid_t pid, uint64_t pc)
{
	long word = ptrace(PTRACE_PEEKTEXT, pid, (void *)pc, NULL);
	const uint8_t *p = (const uint8_t *)&word;
	int rep = 0;

	for (; *p == 0xf2 || *p == 0xf3 || *p == 0x66 || *p == 0x67; p++)
		rep |= *p >= 0xf2;
	if (*p >> 4 == 4)
		p++;
	return rep &&
	       ((*p >= 0xa4 && *p <= 0xa7) || (*p >= 0xaa && *p <= 0xaf));
}

static void write_modules(FILE *f, pid_t pid)
{
	char path[64], line[4096], last[4096] = "", name[4096];
	unsigned long base;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%*x %*s %*x %*s %*s %4095s", &base,
			   name) != 2 ||
		    !strcmp(name, last))
			continue;
		strcpy(last, name);
		fprintf(f, "m %#lx %s\n", base, name);
	}
	if (maps)
		fclose(maps);
}

static void write_counts(FILE *f)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		if (seen[i].pc)
			fprintf(f, "i %#lx %lu\n", seen[i].pc, seen[i].count);
	}
}

static void step(pid_t pid, uint64_t *last, int *sig)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	if (regs.rip != *last || !repeats(pid, regs.rip))
		++*count_of(regs.rip);
	*last = regs.rip;
	ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(long)*sig);
}

static int run(pid_t pid, FILE *f)
{
	uint64_t last = 0;
	int status, sig = 0;

	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
	       (void *)(PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL));
	step(pid, &last, &sig);
	fprintf(f, "b %#lx\n", last);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
			write_modules(f, pid);
			ptrace(PTRACE_CONT, pid, NULL, NULL);
			continue;
		}
		sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		step(pid, &last, &sig);
	}
	return status;
}

int main(int argc, char **argv)
{
	FILE *f = argc > 2 ? fopen(argv[1], "we") : NULL;
	cpu_set_t one;
	int status;
	pid_t pid;

	if (!f)
		return 125;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	/* A step across processors takes ten times as long. */
	sched_setaffinity(0, sizeof(one), &one);
	pid = fork();
	if (pid == 0) {
		personality(ADDR_NO_RANDOMIZE);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[2], argv + 2);
		_exit(125);
	}
	status = run(pid, f);
	write_counts(f);
	fclose(f);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}
