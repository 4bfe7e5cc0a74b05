/*
 * laststeps FILE CALLS PROG [ARG...]: runs a program twice, at the addresses
 * that it always has, up to its last write(2). The second time it goes by
 * single steps from CALLS system calls before that on. Writes to FILE the
 * address of each instruction that was executed then, 8 bytes each, the call's
 * last and behind it where that would have returned to; a repeated one (rep)
 * counts once. All signals have handlers. FILE.maps is how often it has
 * written, and what was mapped.
 */
#include "steps.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/user.h>

struct counts {
	long calls, writes; /* so far */
	long last;	    /* call that was a write */
};

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void count(pid_t pid, struct counts *n)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	n->calls++;
	if (regs.orig_rax != SYS_write)
		return;
	n->writes++;
	n->last = n->calls;
}

/* Runs it on behind so many of its calls; false: to its end. */
static bool run_calls(pid_t pid, long most, struct counts *n)
{
	bool entered = false;
	int status, sig = 0;

	while (n->calls < most || entered) {
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return false;
		sig = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0
							   : WSTOPSIG(status);
		if (sig)
			continue;
		entered = !entered;
		if (entered)
			count(pid, n);
	}
	return true;
}

/* --- steps --------------------------------------------------------------- */

static bool is_write(pid_t pid, const struct user_regs_struct *regs)
{
	struct code c;

	if (regs->rax != SYS_write)
		return false;
	c = code_at(pid, regs->rip);
	return c.bytes[0] == 0x0f && c.bytes[1] == 0x05;
}

static bool step_on(pid_t pid, FILE *f, long writes)
{
	struct user_regs_struct regs;
	uint64_t last = 0, too;
	int status, sig = 0, given = 0;

	for (;;) {
		ptrace(PTRACE_GETREGS, pid, NULL, &regs);
		too = last && !given ? stepped_too(pid, last, regs.rip) : 0;
		if (too)
			fwrite(&too, 8, 1, f);
		/* With a signal it is on to the handler. */
		if (!sig && (regs.rip != last || !repeats(pid, regs.rip)))
			fwrite(&regs.rip, 8, 1, f);
		last = regs.rip;
		if (is_write(pid, &regs) && !--writes)
			break;
		given = sig;
		ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(long)sig);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return false;
		sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		/* It has not been executed. */
		if (sig)
			fseek(f, -8, SEEK_CUR);
	}
	regs.rip += 2;
	fwrite(&regs.rip, 8, 1, f);
	return true;
}

static void write_maps(pid_t pid, const char *file, long writes)
{
	char path[4096], buf[65536];
	FILE *from, *to;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	from = fopen(path, "re");
	snprintf(path, sizeof(path), "%s.maps", file);
	to = fopen(path, "we");
	if (!from || !to)
		exit(125);
	fprintf(to, "%ld\n", writes);
	while ((n = fread(buf, 1, sizeof(buf), from)) > 0)
		fwrite(buf, 1, n, to);
	fclose(from);
	fclose(to);
}

int main(int argc, char **argv)
{
	FILE *f = argc > 3 ? fopen(argv[1], "we") : NULL;
	struct counts all = { 0 }, now = { 0 };
	long behind;
	pid_t pid;

	if (!f)
		return 125;
	stay_on_this_cpu();
	run_calls(start(argv + 3, PTRACE_O_TRACESYSGOOD), INT32_MAX, &all);
	pid = start(argv + 3, PTRACE_O_TRACESYSGOOD);
	behind = all.last - atol(argv[2]);
	if (!run_calls(pid, behind > 0 ? behind : 0, &now) ||
	    !step_on(pid, f, all.writes - now.writes))
		return 125;
	write_maps(pid, argv[1], all.writes);
	end(pid);
	return fclose(f) ? 125 : 0;
}
