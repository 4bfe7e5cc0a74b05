/*
 * Debuggees in memory: a struct target for tests of what is above it, with no
 * process and no ptrace. Processes, threads, memory and registers are laid
 * out by the test; attach() and launch() then take them. What happens is
 * queued by the test and reported once the thread runs:
 *
 *	a step moves pc on by one byte and stops; a range step goes to its end
 *	and stops; a continued thread runs until the next queued event of its
 *	own, or an interrupt
 *
 * Every call that changes something is written to a log, a line each.
 */
#ifndef TEST_FAKE_H
#define TEST_FAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "target/target.h"

#define FAKE_HW_POINTS 4 /* of kinds other than POINT_SW, as on x86 */

struct fake;

/* arch is borrowed and outlives it; freed by target->ops->free(). */
struct fake *fake_new(const struct arch *arch);
struct target *fake_target(struct fake *f);
struct fake *fake_of(struct target *t);

/* The world. A process that nobody attached to yet; launch() takes the first
 * of them, and fails with -ENOENT when there is none. */
void fake_process_add(struct fake *f, pid_t pid);
void fake_thread_add(struct fake *f, pid_t pid, pid_t tid);
/* Bytes at addr; what was mapped there before stays underneath. data NULL:
 * zeros. */
void fake_memory_add(struct fake *f, pid_t pid, uint64_t addr, const void *data,
		     size_t len);
/* A register as the program left it; -ENOENT for no such thread or name. */
int fake_reg_set(struct fake *f, pid_t tid, const char *name, uint64_t v);
void fake_auxv_set(struct fake *f, const void *data, size_t len);

/* Happens when s->id is next running: reported as it is. For a stop with an
 * address (breaks) pc becomes addr. */
void fake_stop(struct fake *f, const struct stop *s);

/* The thread comes to pc: where a point for execution is inserted, its
 * conditions and commands are asked whether it stops; else it runs on. */
void fake_arrive(struct fake *f, struct ptid id, uint64_t pc);

/*
 * The same by words, as transcripts write them; numbers are hex, threads are
 * PID.TID. -EINVAL on anything else.
 *
 *	process PID			thread PID.TID
 *	memory PID ADDR HEX...		zeros PID ADDR LEN
 *	reg TID NAME VALUE		auxv HEX...
 *	arrive PID.TID ADDR
 *	branches TID BEGIN-END...	(newest first; none: they overflow)
 *	stop PID.TID signal NUMBER	(0: interrupted)
 *	stop PID.TID step | created | vfork-done
 *	stop PID.TID break | hbreak ADDR
 *	stop PID.TID write | read | access ADDR[,ADDR]...
 *	stop PID.TID fork | vfork CHILDPID	(a new one, with a copy)
 *	stop PID.TID exec PATH
 *	stop PID.TID syscall-entry | syscall-return NUMBER
 *	stop PID.TID cloned TID		(a new thread, stopped)
 *	stop PID.TID thread-exit | exited CODE
 *	stop PID.TID killed NUMBER
 */
int fake_script(struct fake *f, const char *line);

/*
 * What was asked of it since the last time, e.g.
 *
 *	resume 3e8.3e9 cont 0
 *	insert 3e8 sw 401000 1
 *	detach 3e8 0
 *
 * Borrowed until the next call into the fake.
 */
const char *fake_log(struct fake *f);
void fake_log_clear(struct fake *f);

#endif
