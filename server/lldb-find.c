#include "server/lldb-find.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A kernel thread, and a process of another user, has no program to be seen. */
static bool runs(pid_t pid, const char *name)
{
	char link[32], path[PATH_MAX];
	const char *slash;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	slash = strrchr(path, '/');
	return !strcmp(*name == '/' || !slash ? path : slash + 1, name);
}

void lldb_processes_named(const char *name, struct buf *pids)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	pid_t pid;

	while (dir && (entry = readdir(dir))) {
		pid = atoi(entry->d_name);
		if (pid > 0 && pid != getpid() && runs(pid, name))
			buf_put(pids, &pid, sizeof(pid));
	}
	if (dir)
		closedir(dir);
}

static pid_t find_by_name(const char *name, struct err *e)
{
	struct buf pids = { 0 };
	const pid_t *all;
	pid_t found;

	lldb_processes_named(name, &pids);
	all = (void *)pids.data;
	if (!pids.len)
		found = err_set(e, -ESRCH, "no process is named %s", name);
	else if (pids.len > sizeof(*all))
		found = err_set(e, -EEXIST,
				"more than one process is named %s "
				"(%d, %d): give its id",
				name, all[0], all[1]);
	else
		found = all[0];
	buf_fini(&pids);
	return found;
}

pid_t lldb_find_process(const char *pid_or_name, struct err *e)
{
	char *end;
	long pid = strtol(pid_or_name, &end, 10);

	if (end != pid_or_name && !*end && pid > 0 && pid <= INT_MAX)
		return (pid_t)pid;
	return find_by_name(pid_or_name, e);
}
