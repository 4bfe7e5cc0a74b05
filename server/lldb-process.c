#include "server/lldb-process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* --- what there is ------------------------------------------------------- */

static void read_program(struct process_facts *f, pid_t pid)
{
	unsigned char ident[EI_NIDENT + 1];
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, f->path, sizeof(f->path) - 1);
	f->path[n > 0 ? n : 0] = '\0';
	f->word = 0;
	n = file_peek((char *)ident, sizeof(ident), "%s", link);
	if (n == EI_NIDENT && !memcmp(ident, ELFMAG, SELFMAG))
		f->word = ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
}

/* A number, or two, of a line of /proc/PID/status. */
static void status_line(const char *status, const char *name, int *first,
			int *second)
{
	const char *line = strstr(status, name);
	int one = 0, two = 0;

	if (line)
		sscanf(line + strlen(name), "%d %d", &one, &two);
	*first = one;
	if (second)
		*second = two;
}

int process_facts_read(struct process_facts *f, pid_t pid)
{
	char status[4096];

	if (pid <= 0 ||
	    file_peek(status, sizeof(status), "/proc/%d/status", pid) <= 0)
		return -ESRCH;
	status_line(status, "\nPPid:", &f->parent, NULL);
	status_line(status, "\nTracerPid:", &f->tracer, NULL);
	status_line(status, "\nUid:", &f->uid, &f->euid);
	status_line(status, "\nGid:", &f->gid, &f->egid);
	read_program(f, pid);
	return 0;
}

void process_args_put(struct buf *out, pid_t pid)
{
	struct buf line = { 0 };
	const char *p, *end;

	if (file_read(&line, 1u << 20, "/proc/%d/cmdline", pid) > 0) {
		p = line.data;
		end = p + line.len;
		for (; p < end; p += strlen(p) + 1) {
			if (p > line.data)
				buf_putc(out, '-');
			buf_put_hex_str(out, p);
		}
	}
	buf_fini(&line);
}

/* --- what is asked for --------------------------------------------------- */

static const char *const matches[] = {
	[MATCH_EQUALS] = "equals",	 [MATCH_STARTS_WITH] = "starts_with",
	[MATCH_ENDS_WITH] = "ends_with", [MATCH_CONTAINS] = "contains",
	[MATCH_REGEX] = "regex",
};

static bool is_word(const struct args *word, const char *text)
{
	return args_left(word) == strlen(text) &&
	       !memcmp(word->p, text, strlen(text));
}

static int take_match(struct process_wanted *w, const struct args *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(matches); i++) {
		if (is_word(word, matches[i])) {
			w->match = i;
			return 0;
		}
	}
	return -EPROTO;
}

static int take_value(struct process_wanted *w, const struct args *key,
		      struct args value)
{
	const struct {
		const char *key;
		long *at;
	} numbers[] = {
		{ "pid", &w->pid },   { "parent_pid", &w->parent },
		{ "uid", &w->uid },   { "gid", &w->gid },
		{ "euid", &w->euid }, { "egid", &w->egid },
	};

	if (is_word(key, "name"))
		return !w->name && take_hex_string(&value, PATH_MAX, &w->name)
			       ? 0
			       : -EPROTO;
	if (is_word(key, "name_match"))
		return take_match(w, &value);
	if (is_word(key, "all_users"))
		w->all_users = is_word(&value, "1");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (is_word(key, numbers[i].key))
			*numbers[i].at = strtol(value.p, NULL, 10);
	}
	return is_word(key, "all_users") || is_word(key, "triple") ||
			       w->pid >= 0 || w->parent >= 0 || w->uid >= 0 ||
			       w->gid >= 0 || w->euid >= 0 || w->egid >= 0
		       ? 0
		       : -EPROTO;
}

int process_wanted_take(struct process_wanted *w, struct args *a)
{
	struct args key, value;
	int r = 0;

	*w = (struct process_wanted){
		.pid = -1,
		.parent = -1,
		.uid = -1,
		.gid = -1,
		.euid = -1,
		.egid = -1,
	};
	while (r == 0 && !take_end(a)) {
		if (!take_word(a, ":", &key) || !take_char(a, ':') ||
		    !take_word(a, ";", &value)) {
			r = -EPROTO;
			break;
		}
		take_char(a, ';');
		r = take_value(w, &key, value);
	}
	if (r < 0)
		process_wanted_fini(w);
	return r;
}

void process_wanted_fini(struct process_wanted *w)
{
	free(w->name);
	w->name = NULL;
}

static bool regex_matches(const char *pattern, const char *name)
{
	regex_t re;
	bool hit;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	hit = !regexec(&re, name, 0, NULL, 0);
	regfree(&re);
	return hit;
}

static bool name_matches(const struct process_wanted *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t n = strlen(name), want = strlen(w->name);

	switch (w->match) {
	case MATCH_EQUALS:
		return !strcmp(name, w->name) || !strcmp(path, w->name);
	case MATCH_STARTS_WITH:
		return !strncmp(name, w->name, want);
	case MATCH_ENDS_WITH:
		return n >= want && !strcmp(name + n - want, w->name);
	case MATCH_CONTAINS:
		return strstr(name, w->name);
	case MATCH_REGEX:
		return regex_matches(w->name, name);
	}
	return false;
}

static bool agrees(long want, long is)
{
	return want < 0 || want == is;
}

bool process_is_wanted(const struct process_wanted *w, pid_t pid)
{
	struct process_facts f;

	if (pid == getpid() || process_facts_read(&f, pid) < 0 || f.tracer)
		return false;
	if (!w->all_users && geteuid() != 0 && f.euid != (int)geteuid())
		return false;
	return agrees(w->pid, pid) && agrees(w->parent, f.parent) &&
	       agrees(w->uid, f.uid) && agrees(w->gid, f.gid) &&
	       agrees(w->euid, f.euid) && agrees(w->egid, f.egid) &&
	       (!w->name || name_matches(w, f.path));
}
