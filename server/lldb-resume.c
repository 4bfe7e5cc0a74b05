#include "server/lldb-resume.h"

#include <errno.h>
#include <signal.h>

#include "server/lldb.h"
#include "server/packet.h"
#include "server/session.h"

int lldb_check_thread(struct session *s, struct ptid id, int no_pid, int no_tid)
{
	struct process *p = id.pid > 0 ? process_find(s->target, id.pid)
				       : session_process(s);
	struct thread *th = thread_find(s->target, id.tid);

	if (!p && !(id.pid <= 0 && th))
		return -no_pid;
	if (id.tid > 0 && (!th || (id.pid > 0 && th->proc != p)))
		return -no_tid;
	return 0;
}

static bool runs(const struct process *p)
{
	struct thread *th;

	list_each(th, &p->threads, node) {
		if (th->running)
			return true;
	}
	return false;
}

int lldb_check_resume(struct session *s, const struct resume *acts, size_t n)
{
	unsigned processes = 0;
	struct process *p;

	list_each(p, &s->target->processes, node) {
		bool some = false;

		for (size_t i = 0; i < n; i++) {
			if (!target_actions_meet(&acts[i], 1, p->pid))
				continue;
			if (acts[i].kind == RESUME_STOP && acts[i].who.tid > 0)
				return -LLDB_NOT_NOW;
			if (acts[i].kind != RESUME_STOP)
				some = true;
		}
		if (some && runs(p))
			return -LLDB_RUNS_ALREADY;
		processes += some;
	}
	return processes > 1 && !s->nonstop.on ? -LLDB_NOT_NOW : 0;
}

int lldb_resume_old(struct session *s, const struct resume *what,
		    struct resume acts[static 2])
{
	struct ptid id = s->continued;
	struct thread *th = id.tid > 0 ? thread_find(s->target, id.tid) : NULL;
	int n = 0;

	if (!th && id.pid > 0)
		th = thread_match(s->target, (struct ptid){ id.pid, -1 });
	if (!th)
		th = session_thread(s);
	if (!th)
		return -ESRCH;
	if (what->kind == RESUME_STEP || what->signo) {
		acts[n] = *what;
		acts[n++].who = th->id;
	}
	if (what->kind != RESUME_STEP)
		acts[n++] = (struct resume){
			.who = { th->id.pid, -1 },
			.kind = what->kind,
		};
	return n;
}

/* --- stops in non-stop mode ---------------------------------------------- */

static void note_running_others(struct session *s, pid_t pid)
{
	struct thread *th = NULL;

	buf_reset(&s->ran);
	while ((th = thread_next(s->target, th))) {
		if (th->running && th->id.pid != pid)
			buf_put(&s->ran, &th->id, sizeof(th->id));
	}
}

void lldb_stop_process(struct session *s, struct stop *st)
{
	struct process *p = process_find(s->target, st->id.pid);
	struct thread *th;

	s->last = *st;
	if (!p) {
		nonstop_tell(s, st);
		return;
	}
	note_running_others(s, p->pid);
	s->target->ops->halt(s->target);
	session_run_again(s);
	s->general = st->id;
	nonstop_tell(s, st);
	list_each(th, &p->threads, node) {
		struct stop quiet = { .id = th->id, .kind = STOP_NONE };

		if (!ptid_equal(th->id, st->id))
			nonstop_tell(s, &quiet);
	}
}

/* --- k ------------------------------------------------------------------- */

static void kill_one(struct session *s, struct process *p)
{
	struct stop st = {
		.id = { p->pid, p->pid },
		.kind = STOP_KILLED,
		.signo = SIGKILL,
	};

	nonstop_forget(s, p->pid);
	s->target->ops->kill(s->target, p);
	session_done_with(s, st.id.pid);
	if (s->nonstop.on) {
		nonstop_tell(s, &st);
		return;
	}
	buf_reset(&s->reply);
	stop_reply(s, &st, &s->reply);
	link_reply(s->link, &s->reply);
}

int lldb_kill_all(struct session *s, struct buf *out)
{
	struct process *p, *next;

	if (list_empty(&s->target->processes)) {
		buf_puts(out, "X09");
		return REPLY_NOW;
	}
	if (s->nonstop.on) {
		buf_puts(out, "OK");
		link_reply(s->link, out);
	}
	list_each_safe(p, next, &s->target->processes, node)
		kill_one(s, p);
	s->ended = s->running = false;
	s->general = s->continued = (struct ptid){ 0 };
	return REPLY_NEVER;
}
