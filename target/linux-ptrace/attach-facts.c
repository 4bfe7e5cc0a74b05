#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "target/linux-ptrace/diagnose.h"

#define STATUS_MAX    65536
#define MAX_ANCESTORS 1000

/* The value of a line of /proc/PID/status, up to its newline; "" if none. */
static const char *status_find(const struct buf *status, const char *name)
{
	const char *p = status->data;
	size_t n = strlen(name);

	while (p && *p) {
		if (!strncmp(p, name, n) && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, "\t ");
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return "";
}

static bool status_read(struct buf *status, pid_t pid)
{
	buf_reset(status);
	return file_read(status, STATUS_MAX, "/proc/%d/status", (int)pid) > 0;
}

static pid_t status_pid(const struct buf *status, const char *name)
{
	return atoi(status_find(status, name));
}

static void status_ids(const struct buf *status, const char *name,
		       unsigned id[3])
{
	sscanf(status_find(status, name), "%u %u %u", &id[0], &id[1], &id[2]);
}

static void copy_line(char *out, size_t size, const char *line)
{
	snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
}

static void name_read(char *out, size_t size, pid_t pid)
{
	struct buf text = { 0 };

	if (pid > 0)
		file_read(&text, STATUS_MAX, "/proc/%d/comm", (int)pid);
	copy_line(out, size, buf_str(&text));
	buf_fini(&text);
}

/* Kernels before 6.8 have no Kthread line, but all kernel threads are
 * children of kthreadd, and none has an executable. */
static bool is_kernel(const struct buf *status, pid_t pid, pid_t ppid)
{
	char path[32], exe[8];
	const char *line = status_find(status, "Kthread");

	if (*line)
		return *line == '1';
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return (pid == 2 || ppid == 2) && readlink(path, exe, sizeof(exe)) < 0;
}

static bool is_descendant(pid_t pid, pid_t self)
{
	struct buf status = { 0 };
	int left = MAX_ANCESTORS;

	while (pid > 0 && pid != self && left-- && status_read(&status, pid))
		pid = status_pid(&status, "PPid");
	buf_fini(&status);
	return pid == self;
}

static void uid_map_read(struct buf *out, const char *who)
{
	buf_reset(out);
	file_read(out, STATUS_MAX, "/proc/%s/uid_map", who);
	buf_str(out);
}

/* The link may be refused for the very reason that is looked for; the map
 * is open to all. */
static bool is_same_userns(pid_t pid)
{
	char who[16], path[64], ours[64] = "", theirs[64] = "";
	struct buf a = { 0 }, b = { 0 };
	bool same;

	snprintf(who, sizeof(who), "%d", (int)pid);
	snprintf(path, sizeof(path), "/proc/%s/ns/user", who);
	if (readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
	    readlink("/proc/self/ns/user", ours, sizeof(ours) - 1) > 0)
		return !strcmp(ours, theirs);
	uid_map_read(&a, who);
	uid_map_read(&b, "self");
	same = !strcmp(a.data, b.data);
	buf_fini(&a);
	buf_fini(&b);
	return same;
}

/*
 * Not of the directory /proc/PID: that is always the process's own. Files in
 * it are root's while the process may not be dumped.
 */
static uid_t proc_owner(pid_t pid, uid_t otherwise)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return stat(path, &st) ? otherwise : st.st_uid;
}

/* "docker-default (enforce)": what does not confine is not told. */
static void label_read(char *out, size_t size, pid_t pid)
{
	struct buf text = { 0 };

	file_read(&text, STATUS_MAX, "/proc/%d/attr/current", (int)pid);
	*out = 0;
	if (strstr(buf_str(&text), "(enforce)"))
		copy_line(out, size, text.data);
	buf_fini(&text);
}

/* Nobody traces us for us: without a filter that is ESRCH. */
static bool is_ptrace_filtered(void)
{
	errno = 0;
	ptrace(PTRACE_PEEKUSER, getpid(), NULL, NULL);
	return errno == EPERM || errno == EACCES || errno == ENOSYS;
}

static int yama_read(void)
{
	struct buf text = { 0 };
	int scope;

	file_read(&text, 16, "/proc/sys/kernel/yama/ptrace_scope");
	scope = atoi(buf_str(&text));
	buf_fini(&text);
	return scope;
}

static unsigned long long status_caps(const struct buf *status,
				      const char *name)
{
	return strtoull(status_find(status, name), NULL, 16);
}

static void gather_ours(struct attach_facts *f, struct buf *status,
			unsigned long long *permitted)
{
	unsigned long long caps = 0;

	*permitted = 0;
	f->self = getpid();
	f->our_uid = getuid();
	f->our_gid = getgid();
	if (status_read(status, f->self)) {
		caps = status_caps(status, "CapEff");
		*permitted = status_caps(status, "CapPrm");
	}
	f->our_cap = caps >> CAP_SYS_PTRACE & 1;
	f->filtered = is_ptrace_filtered();
	f->yama = yama_read();
}

static void gather_theirs(struct attach_facts *f, const struct buf *status)
{
	f->state = *status_find(status, "State");
	f->tgid = status_pid(status, "Tgid");
	f->ppid = status_pid(status, "PPid");
	f->tracer = status_pid(status, "TracerPid");
	status_ids(status, "Uid", f->uid);
	status_ids(status, "Gid", f->gid);
	copy_line(f->name, sizeof(f->name), status_find(status, "Name"));
	f->kernel = is_kernel(status, f->pid, f->ppid);
	f->descendant = is_descendant(f->ppid, f->self);
	f->same_userns = is_same_userns(f->pid);
	f->proc_owner = proc_owner(f->pid, f->uid[1]);
	label_read(f->label, sizeof(f->label), f->pid);
	name_read(f->leader_name, sizeof(f->leader_name), f->tgid);
	name_read(f->parent_name, sizeof(f->parent_name), f->ppid);
	name_read(f->tracer_name, sizeof(f->tracer_name), f->tracer);
}

void attach_facts_gather(struct attach_facts *f, pid_t pid)
{
	struct buf status = { 0 };
	unsigned long long permitted;

	*f = (struct attach_facts){ .pid = pid };
	gather_ours(f, &status, &permitted);
	if (pid > 0 && status_read(&status, pid)) {
		f->more_caps = status_caps(&status, "CapPrm") & ~permitted;
		gather_theirs(f, &status);
	} else {
		f->hidden = pid > 0 && (!kill(pid, 0) || errno == EPERM);
	}
	buf_fini(&status);
}
