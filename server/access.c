#include "server/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool owns_debuggee(const struct target *t, uid_t uid)
{
	const struct process *p;
	struct stat st;
	char path[32];

	list_each(p, &t->processes, node) {
		snprintf(path, sizeof(path), "/proc/%d", p->pid);
		if (stat(path, &st) == 0 && st.st_uid == uid)
			return true;
	}
	return false;
}

static bool is_sudo_user(uid_t uid)
{
	const char *value = getenv("SUDO_UID");
	char *end;
	unsigned long id;

	if (!value || !*value || geteuid() != 0)
		return false;
	id = strtoul(value, &end, 10);
	return !*end && id == uid;
}

int access_check(const struct link *l, const struct target *t, struct err *e)
{
	struct err why = { "" };
	uid_t uid;
	int r = link_peer_uid(l, &uid, &why);

	if (r == -ENOTSUP)
		return 0;
	if (r < 0)
		return err_set(e, -EACCES,
			       "cannot tell which user connected (%s); "
			       "--any-user lifts this check", why.text);
	if (uid == 0 || uid == geteuid() || owns_debuggee(t, uid) ||
	    is_sudo_user(uid))
		return 0;
	return err_set(e, -EACCES,
		       "user %u may not debug processes of user %u here; "
		       "--any-user lifts this check", uid, geteuid());
}
