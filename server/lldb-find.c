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

static pid_t find_by_name(const char *name, struct err *e)
{
	pid_t found = 0, pid;
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		pid = atoi(entry->d_name);
		if (pid <= 0 || pid == getpid() || !runs(pid, name))
			continue;
		if (found) {
			closedir(dir);
			return err_set(e, -EEXIST,
				       "more than one process is named %s "
				       "(%d, %d): give its id",
				       name, found, pid);
		}
		found = pid;
	}
	if (dir)
		closedir(dir);
	return found ? found
		     : err_set(e, -ESRCH, "no process is named %s", name);
}

pid_t lldb_find_process(const char *pid_or_name, struct err *e)
{
	char *end;
	long pid = strtol(pid_or_name, &end, 10);

	if (end != pid_or_name && !*end && pid > 0 && pid <= INT_MAX)
		return (pid_t)pid;
	return find_by_name(pid_or_name, e);
}
