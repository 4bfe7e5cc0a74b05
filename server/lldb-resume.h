/*
 * Where lldb-server's processes differ from gdb's threads: what runs and stops
 * is a process as a whole, one at a time unless in non-stop mode. Numbers of
 * errors are part of it, as LLDB's tests look at them.
 */
#ifndef SERVER_LLDB_RESUME_H
#define SERVER_LLDB_RESUME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/ptid.h"
#include "target/target.h"

struct session;

enum {
	LLDB_NO_SUCH_PID = 1,  /* T */
	LLDB_NO_SUCH_TID = 2,  /* T */
	LLDB_NOT_NOW = 3,      /* of these processes, or some of its threads */
	LLDB_NO_THREAD = 0x15, /* H */
	LLDB_RUNS_ALREADY = 0x37,    /* resumes */
	LLDB_NO_PROCESS_LEFT = 0x44, /* qC */
	LLDB_OTHER = 0xff,	     /* no error number: a text alone */
};

/* 0: the thread, or a process's, is there; else the errors of H or T. */
int lldb_check_thread(struct session *s, struct ptid id, int no_pid,
		      int no_tid);

/* May these be resumed? Errors are LLDB_NOT_NOW, LLDB_RUNS_ALREADY. */
int lldb_check_resume(struct session *s, const struct resume *acts, size_t n);

/*
 * c C s S: actions for the process of Hc, or else of Hg; how many, at most 2.
 * A step is of one thread, and the others stay as they are.
 */
int lldb_resume_old(struct session *s, const struct resume *what,
		    struct resume acts[static 2]);

/* Non-stop: after a stop of one of its threads all others of the process are
 * stopped too, and told as such. */
void lldb_stop_process(struct session *s, struct stop *st);

/* k: each process's end is told, as lldb-server does. */
int lldb_kill_all(struct session *s, struct buf *out);

#endif
