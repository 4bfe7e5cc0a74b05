/* What the files of the fake target share. */
#ifndef TEST_FAKE_PRIVATE_H
#define TEST_FAKE_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "test/fake.h"

struct fake_range {
	struct list node;
	uint64_t addr;
	size_t len;
	uint8_t *data;
};

#define FAKE_BRANCHES 8

struct fake_thread {
	struct list node;
	pid_t tid;
	uint8_t *regs; /* all of them, as in the g packet */
	size_t branches_kept; /* as asked for; 0: none */
	struct branch branches[FAKE_BRANCHES];
	int64_t n_branches; /* or the error that reading them is */
};

struct fake_process {
	struct list node;
	pid_t pid;
	bool taken; /* attached to or launched */
	struct list threads, ranges;
};

struct fake_event {
	struct list node;
	struct stop stop;
	bool arrival; /* a point there decides whether it is a stop */
	char *path;   /* STOP_EXEC: the new program */
};

struct fake {
	struct target target;
	const struct arch *arch;
	struct list processes;
	struct list events; /* oldest first */
	int ready;	    /* eventfd: an event can be reported */
	unsigned hw_points;
	struct buf auxv, log;
};

struct fake_process *fake_process_find(struct fake *f, pid_t pid);
struct fake_thread *fake_thread_find(struct fake *f, pid_t tid);
struct fake_event *fake_event_add(struct fake *f, const struct stop *s);

/* A register's place in the thread's image. */
void fake_pc_set(struct fake *f, pid_t tid, uint64_t pc);
uint64_t fake_pc(struct fake *f, pid_t tid);

/* fake_memory.c */
ssize_t fake_read_mem(struct target *t, struct process *p, uint64_t addr,
		      void *buf, size_t len);
ssize_t fake_write_mem(struct target *t, struct process *p, uint64_t addr,
		       const void *buf, size_t len);
/* What fork does: the child has all that the parent has, traps included. */
void fake_memory_copy(struct fake *f, pid_t from, pid_t to);
extern const struct target_point_ops fake_point_ops;

/* fake_branch.c */
extern const struct target_branch_ops fake_branch_ops;

/* fake_run.c */
int fake_resume(struct target *t, const struct resume *acts, size_t n);
int fake_interrupt(struct target *t, struct ptid who);
bool fake_only_steps(struct target *t);
int fake_halt(struct target *t);
int fake_event_fd(struct target *t);
int fake_next_event(struct target *t, struct stop *out, bool patient);

#endif
