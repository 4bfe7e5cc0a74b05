/* Tables made from /proc/PID: processes, groups, threads, files. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "server/osdata-rows.h"

/* Arguments may be megabytes; nobody reads that far in a table. */
#define COMMAND_LINE_MAX 65536

/* Kernel threads and zombies have none: their name in brackets instead. */
static void put_command_line(struct osdata_table *t, pid_t pid)
{
	char name[OSDATA_COMMAND_SIZE];
	struct buf line = { 0 };
	ssize_t n;

	n = file_read(&line, COMMAND_LINE_MAX, "/proc/%d/cmdline", (int)pid);
	for (ssize_t i = 0; i < n; i++)
		if (!line.data[i])
			line.data[i] = ' ';
	if (n == 0) {
		osdata_command(name, pid);
		buf_printf(&line, "[%s]", name);
	}
	osdata_put(t, buf_str(&line));
	buf_fini(&line);
}

static void put_owner(struct osdata_table *t, pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st))
		osdata_put(t, "?");
	else
		osdata_put_user(t, st.st_uid);
}

static ssize_t list_threads(pid_t pid, int **tids)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return osdata_list_numbers(path, tids);
}

static int int_compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* "0,3": each CPU that any of its threads last ran on. */
static void put_cores(struct osdata_table *t, pid_t pid)
{
	struct buf text = { 0 };
	int *cores = NULL;
	ssize_t n = list_threads(pid, &cores);

	for (ssize_t i = 0; i < n; i++)
		cores[i] = osdata_thread_core(pid, cores[i]);
	if (n > 0)
		qsort(cores, n, sizeof(*cores), int_compare);
	for (ssize_t i = 0; i < n; i++)
		if (cores[i] >= 0 && (i == 0 || cores[i] != cores[i - 1]))
			buf_printf(&text, text.len ? ",%d" : "%d", cores[i]);
	osdata_put(t, buf_str(&text));
	buf_fini(&text);
	free(cores);
}

void osdata_fill_processes(struct osdata_table *t)
{
	int *pids = NULL;
	ssize_t n = osdata_list_numbers("/proc", &pids);

	osdata_put_columns(t, "pid\0user\0command\0cores\0");
	for (ssize_t i = 0; i < n; i++) {
		osdata_putf(t, "%d", pids[i]);
		put_owner(t, pids[i]);
		put_command_line(t, pids[i]);
		put_cores(t, pids[i]);
	}
	free(pids);
}

struct member {
	pid_t pgid, pid;
};

/* By group, its leader first. */
static int member_compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->pgid != y->pgid)
		return x->pgid < y->pgid ? -1 : 1;
	if ((x->pid == x->pgid) != (y->pid == y->pgid))
		return x->pid == x->pgid ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

void osdata_fill_procgroups(struct osdata_table *t)
{
	int *pids = NULL;
	ssize_t n = osdata_list_numbers("/proc", &pids);
	struct member *m = xcalloc(n > 0 ? n : 1, sizeof(*m));
	size_t k = 0;

	for (ssize_t i = 0; i < n; i++) {
		m[k].pid = pids[i];
		m[k].pgid = getpgid(pids[i]);
		/* Kernel threads are in group 0. */
		if (m[k].pgid > 0)
			k++;
	}
	qsort(m, k, sizeof(*m), member_compare);
	osdata_put_columns(t, "pgid\0leader command\0pid\0command line\0");
	for (size_t i = 0; i < k; i++) {
		osdata_putf(t, "%d", (int)m[i].pgid);
		osdata_put_command(t, m[i].pgid);
		osdata_putf(t, "%d", (int)m[i].pid);
		put_command_line(t, m[i].pid);
	}
	free(m);
	free(pids);
}

static void put_threads_of(struct osdata_table *t, pid_t pid)
{
	int *tids = NULL;
	ssize_t n = list_threads(pid, &tids);

	for (ssize_t i = 0; i < n; i++) {
		osdata_putf(t, "%d", (int)pid);
		osdata_put_command(t, pid);
		osdata_putf(t, "%d", tids[i]);
		osdata_putf(t, "%d", osdata_thread_core(pid, tids[i]));
	}
	free(tids);
}

void osdata_fill_threads(struct osdata_table *t)
{
	int *pids = NULL;
	ssize_t n = osdata_list_numbers("/proc", &pids);

	osdata_put_columns(t, "pid\0command\0tid\0core\0");
	for (ssize_t i = 0; i < n; i++)
		put_threads_of(t, pids[i]);
	free(pids);
}

static void put_file(struct osdata_table *t, pid_t pid, int fd)
{
	char path[64], name[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(path, name, sizeof(name) - 1);
	if (n < 0)
		n = snprintf(name, sizeof(name), "%d", fd);
	name[n] = 0;
	osdata_putf(t, "%d", (int)pid);
	osdata_put_command(t, pid);
	osdata_putf(t, "%d", fd);
	osdata_put(t, name);
}

void osdata_fill_files(struct osdata_table *t)
{
	int *pids = NULL, *fds = NULL;
	ssize_t n = osdata_list_numbers("/proc", &pids), n_fds;
	char path[32];

	osdata_put_columns(t, "pid\0command\0file descriptor\0name\0");
	for (ssize_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd", pids[i]);
		n_fds = osdata_list_numbers(path, &fds);
		for (ssize_t k = 0; k < n_fds; k++)
			put_file(t, pids[i], fds[k]);
		if (n_fds >= 0)
			free(fds);
	}
	free(pids);
}
