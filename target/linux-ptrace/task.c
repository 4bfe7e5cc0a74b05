#include "target/linux-ptrace/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define FILE_MAX (1 << 20) /* a process may be in many groups */

/* The value of a line of a status file, up to its newline; "" if none. */
static const char *value_of(const char *status, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = status; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, key, n) && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, "\t ");
	}
	return "";
}

static uint64_t set_of(const char *status, const char *key)
{
	return strtoull(value_of(status, key), NULL, 16);
}

/* The ids in each namespace, the innermost last. */
static bool is_init(const char *status)
{
	const char *ids = value_of(status, "NSpid");
	size_t len = strcspn(ids, "\n");

	while (len && ids[len - 1] >= '0' && ids[len - 1] <= '9')
		len--;
	return atoi(ids + len) == 1;
}

static void take_status(struct task_facts *f, const char *status)
{
	f->uid = (unsigned)strtoul(value_of(status, "Uid"), NULL, 10);
	f->gid = (unsigned)strtoul(value_of(status, "Gid"), NULL, 10);
	f->sig_pending = set_of(status, "SigPnd");
	f->sig_blocked = set_of(status, "SigBlk");
	f->sig_ignored = set_of(status, "SigIgn");
	f->sig_caught = set_of(status, "SigCgt");
	f->is_init = is_init(status);
}

/* Behind the name, which is in parentheses and may hold any: proc(5). */
static int take_stat(struct task_facts *f, const char *stat)
{
	const char *p = strrchr(stat, ')');

	if (!p || sscanf(p + 1, " %*c %d %d %d %*d %*d %lu %*u %*u %*u %*u "
				"%lu %lu %lu %lu %*d %d",
			 &f->ppid, &f->pgrp, &f->sid, &f->flags, &f->utime,
			 &f->stime, &f->cutime, &f->cstime, &f->nice) != 9)
		return -ESRCH;
	return 0;
}

int task_facts_read(struct task_facts *f, pid_t pid, pid_t tid)
{
	struct buf text = { 0 };
	char at[48];
	int r;

	*f = (struct task_facts){ 0 };
	if (tid)
		snprintf(at, sizeof(at), "/proc/%d/task/%d", pid, tid);
	else
		snprintf(at, sizeof(at), "/proc/%d", pid);
	r = file_read(&text, FILE_MAX, "%s/stat", at) > 0 ?
		    take_stat(f, text.data) : -ESRCH;
	buf_reset(&text);
	if (r == 0 && file_read(&text, FILE_MAX, "%s/status", at) > 0)
		take_status(f, text.data);
	buf_reset(&text);
	if (r == 0 && file_read(&text, FILE_MAX, "%s/comm", at) > 0)
		snprintf(f->name, sizeof(f->name), "%.*s",
			 (int)strcspn(text.data, "\n"), text.data);
	buf_fini(&text);
	return r;
}
