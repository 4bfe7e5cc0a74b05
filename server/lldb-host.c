/* This machine and its processes, as lldb asks for them: qHostInfo,
 * qProcessInfo and others. Replies are KEY:VALUE; ..., text in hex. */
#include <dirent.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "server/lldb-process.h"
#include "server/packet.h"
#include "server/session.h"

const char *lldb_triple(unsigned word)
{
	return word == 8 ? "x86_64-pc-linux-gnu" : "i386-pc-linux-gnu";
}

static void put_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "%s:", key);
	buf_put_hex_str(out, text);
	buf_putc(out, ';');
}

/* os-release(5): ID=debian, which may be quoted. */
static void put_distribution(struct buf *out)
{
	struct buf file = { 0 };
	char *line, *text, *id;

	if (file_read(&file, 65536, "/etc/os-release") > 0) {
		text = buf_str(&file);
		for (line = strtok_r(text, "\n", &text); line;
		     line = strtok_r(NULL, "\n", &text)) {
			if (strncmp(line, "ID=", 3))
				continue;
			id = line + 3 + (line[3] == '"');
			id[strcspn(id, "\"")] = '\0';
			put_text(out, "distribution_id", id);
			break;
		}
	}
	buf_fini(&file);
}

/* The numbers that a release begins with: 6.1.0 of 6.1.0-18-amd64. */
static int version_length(const char *release)
{
	return (int)strspn(release, "0123456789.");
}

int pk_host_info(struct session *s, struct args *a, struct buf *out)
{
	struct utsname u;

	(void)s, (void)a;
	if (uname(&u) < 0)
		return -errno;
	put_text(out, "triple", lldb_triple(8));
	buf_puts(out, "ptrsize:8;");
	put_distribution(out);
	buf_printf(out,
		   "watchpoint_exceptions_received:after;endian:little;"
		   "os_version:%.*s;",
		   version_length(u.release), u.release);
	put_text(out, "os_build", u.release);
	put_text(out, "os_kernel", u.version);
	put_text(out, "hostname", u.nodename);
	return REPLY_NOW;
}

int lldb_put_process(pid_t pid, unsigned word, struct buf *out)
{
	struct process_facts f;

	if (process_facts_read(&f, pid) < 0)
		return -ESRCH;
	buf_printf(out,
		   "pid:%x;parent-pid:%x;real-uid:%x;real-gid:%x;"
		   "effective-uid:%x;effective-gid:%x;",
		   pid, f.parent, f.uid, f.gid, f.euid, f.egid);
	put_text(out, "triple", lldb_triple(word));
	buf_printf(out, "ostype:linux;endian:little;ptrsize:%u;", word);
	return REPLY_NOW;
}

int pk_process_info(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = session_process(s);

	(void)a;
	return p ? lldb_put_process(p->pid, p->arch->word, out) : -ESRCH;
}

int pk_watchpoint_info(struct session *s, struct args *a, struct buf *out)
{
	(void)s, (void)a;
	buf_puts(out, "num:4;");
	return REPLY_NOW;
}

int pk_working_dir(struct session *s, struct args *a, struct buf *out)
{
	char *dir;

	(void)a;
	if (s->start.cwd) {
		buf_put_hex_str(out, s->start.cwd);
		return REPLY_NOW;
	}
	dir = get_current_dir_name();
	if (!dir)
		return -errno;
	buf_put_hex_str(out, dir);
	free(dir);
	return REPLY_NOW;
}

/* --- users --------------------------------------------------------------- */

static bool take_decimal(struct args *a, uint64_t *v)
{
	char *end;

	if (take_end(a) || *a->p < '0' || *a->p > '9')
		return false;
	*v = strtoull(a->p, &end, 10);
	a->p = end;
	return a->p <= a->end;
}

int pk_user_name(struct session *s, struct args *a, struct buf *out)
{
	struct passwd *pw;
	uint64_t uid;

	(void)s;
	if (!take_decimal(a, &uid) || !take_end(a) || uid > UINT32_MAX)
		return -EPROTO;
	pw = getpwuid((uid_t)uid);
	if (!pw)
		return -ENOENT;
	buf_put_hex_str(out, pw->pw_name);
	return REPLY_NOW;
}

int pk_group_name(struct session *s, struct args *a, struct buf *out)
{
	struct group *gr;
	uint64_t gid;

	(void)s;
	if (!take_decimal(a, &gid) || !take_end(a) || gid > UINT32_MAX)
		return -EPROTO;
	gr = getgrgid((gid_t)gid);
	if (!gr)
		return -ENOENT;
	buf_put_hex_str(out, gr->gr_name);
	return REPLY_NOW;
}

/* --- processes ----------------------------------------------------------- */

static int put_process(struct buf *out, pid_t pid)
{
	struct process_facts f;
	struct buf args = { 0 };

	if (process_facts_read(&f, pid) < 0)
		return -ESRCH;
	buf_printf(out, "pid:%d;ppid:%d;uid:%d;gid:%d;euid:%d;egid:%d;", pid,
		   f.parent, f.uid, f.gid, f.euid, f.egid);
	put_text(out, "name", f.path);
	process_args_put(&args, pid);
	buf_printf(out, "args:%s;", buf_str(&args));
	buf_fini(&args);
	if (f.word)
		put_text(out, "triple", lldb_triple(f.word));
	return REPLY_NOW;
}

int pk_process_info_pid(struct session *s, struct args *a, struct buf *out)
{
	uint64_t pid;

	(void)s;
	if (!take_decimal(a, &pid) || !take_end(a) || pid > INT32_MAX)
		return -EPROTO;
	return put_process(out, (pid_t)pid);
}

/* The next that matched at the first packet and is still there. */
static int put_next(struct session *s, struct buf *out)
{
	struct buf *m = &s->lldb.matches;
	pid_t pid;

	while (m->len >= sizeof(pid)) {
		m->len -= sizeof(pid);
		memcpy(&pid, m->data + m->len, sizeof(pid));
		if (put_process(out, pid) >= 0)
			return REPLY_NOW;
		buf_reset(out);
	}
	return -ENOENT;
}

int pk_processes_first(struct session *s, struct args *a, struct buf *out)
{
	struct process_wanted w;
	struct dirent *e;
	DIR *dir;
	pid_t pid;
	int r = process_wanted_take(&w, a);

	if (r < 0)
		return r;
	buf_reset(&s->lldb.matches);
	dir = opendir("/proc");
	while (dir && (e = readdir(dir))) {
		pid = atoi(e->d_name);
		if (pid > 0 && process_is_wanted(&w, pid))
			buf_put(&s->lldb.matches, &pid, sizeof(pid));
	}
	if (dir)
		closedir(dir);
	process_wanted_fini(&w);
	return put_next(s, out);
}

int pk_processes_next(struct session *s, struct args *a, struct buf *out)
{
	(void)a;
	return put_next(s, out);
}
