/*
 * How the tables of server/osdata.h are filled: private to the osdata files.
 * A filler first declares all columns, then puts the cells row by row.
 */
#ifndef SERVER_OSDATA_ROWS_H
#define SERVER_OSDATA_ROWS_H

#include <stddef.h>
#include <sys/types.h>

#include "server/osdata.h"

void osdata_put_column(struct osdata_table *t, const char *name);

/* Several; each name is ended by a zero byte and the last by two. */
void osdata_put_columns(struct osdata_table *t, const char *names);

/* The next cell. Blanks at both ends are dropped, what may not stand in XML
 * becomes a question mark. */
void osdata_put(struct osdata_table *t, const char *text);
void osdata_putf(struct osdata_table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* TASK_COMM_LEN. Kernel threads have longer names; gdb cuts them like this. */
#define OSDATA_COMMAND_SIZE 16

/* The name of a program, or the pid of a process that is gone. */
void osdata_command(char out[OSDATA_COMMAND_SIZE], pid_t pid);

/* The next cell, looked up. */
void osdata_put_user(struct osdata_table *t, uid_t uid);
void osdata_put_group(struct osdata_table *t, gid_t gid);
void osdata_put_command(struct osdata_table *t, pid_t pid);

/* The entries of a directory that are numbers, in its order. *out is the
 * caller's to free; their count, or -errno with nothing to free. */
ssize_t osdata_list_numbers(const char *dir, int **out);

/* The CPU that a thread last ran on, or -1. */
int osdata_thread_core(pid_t pid, pid_t tid);

/* The whole table from the text of /proc/modules, which is cut up. */
void osdata_put_modules(struct osdata_table *t, char *text);

/* The fillers. */
void osdata_fill_cpus(struct osdata_table *t);
void osdata_fill_files(struct osdata_table *t);
void osdata_fill_modules(struct osdata_table *t);
void osdata_fill_msg(struct osdata_table *t);
void osdata_fill_processes(struct osdata_table *t);
void osdata_fill_procgroups(struct osdata_table *t);
void osdata_fill_sem(struct osdata_table *t);
void osdata_fill_shm(struct osdata_table *t);
void osdata_fill_sockets(struct osdata_table *t);
void osdata_fill_threads(struct osdata_table *t);

#endif
