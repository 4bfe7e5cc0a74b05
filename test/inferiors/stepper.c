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

struct stepping {
	pid_t pid;
	uint64_t last; /* where the last step began */
	int sig;       /* ... and what it was made with */
};

static void step(struct stepping *s, int sig)
{
	struct user_regs_struct regs;
	uint64_t too;

	ptrace(PTRACE_GETREGS, s->pid, NULL, &regs);
	too = s->last && !s->sig ? stepped_too(s->pid, s->last, regs.rip) : 0;
	if (too)
		++*count_of(too);
	if (regs.rip != s->last || !repeats(s->pid, regs.rip))
		++*count_of(regs.rip);
	s->last = regs.rip;
	s->sig = sig;
	ptrace(PTRACE_SINGLESTEP, s->pid, NULL, (void *)(long)sig);
}

static int run(pid_t pid, FILE *f)
{
	struct stepping s = { .pid = pid };
	int status, sig;

	step(&s, 0);
	fprintf(f, "b %#lx\n", s.last);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
			write_modules(f, pid);
			ptrace(PTRACE_CONT, pid, NULL, NULL);
			continue;
		}
		sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		step(&s, sig);
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
