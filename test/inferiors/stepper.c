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
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <sys/user.h>

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
	int status;

	if (!f)
		return 125;
	stay_on_this_cpu();
	status = run(start(argv + 2, PTRACE_O_TRACEEXIT), f);
	write_counts(f);
	fclose(f);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}
