/* Why threads stopped, in lldb's words: its T packet, and what it has of all
 * threads in JSON. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rsp/binary.h"
#include "server/json.h"
#include "server/lldb-crash.h"
#include "server/lldb-regs.h"
#include "server/packet.h"
#include "server/session.h"

struct stop lldb_stop_of(const struct session *s, const struct thread *th)
{
	struct stop st = { .id = th->id, .kind = STOP_NONE };

	if (ptid_equal(s->last.id, th->id) && !th->running)
		return s->last;
	if (s->nonstop.on && !th->running) {
		st = th->last;
		st.id = th->id;
	}
	return st;
}

static bool is_interrupt(const struct stop *st)
{
	return st->kind == STOP_SIGNAL && !st->signo;
}

/* Those that are no signal of the program's: SIGTRAP; lldb-server stops
 * threads by SIGSTOP, and lldb takes that for the answer to its interrupt. */
int lldb_signal_of(const struct session *s, const struct stop *st)
{
	const struct thread *th = thread_find(s->target, st->id.tid);

	if (st->kind == STOP_NONE)
		return 0;
	if (is_interrupt(st))
		return SIGSTOP;
	/* So does the trap of a program's start, which is no stop of its. */
	if (st->kind == STOP_SIGNAL && st->signo == SIGTRAP && th &&
	    th->last.kind == STOP_NONE)
		return SIGSTOP;
	return st->kind == STOP_SIGNAL ? st->signo : SIGTRAP;
}

const char *lldb_reason(const struct stop *st)
{
	switch (st->kind) {
	case STOP_STEP:
		return "trace";
	case STOP_SWBREAK:
	case STOP_HWBREAK:
		return "breakpoint";
	case STOP_WATCH:
		return "watchpoint";
	case STOP_SIGNAL:
		return "signal";
	case STOP_FORK:
		return "fork";
	case STOP_VFORK:
		return "vfork";
	case STOP_VFORK_DONE:
		return "vforkdone";
	case STOP_EXEC:
		return "exec";
	default:
		return NULL;
	}
}

/*
 * Of a watchpoint: an address in it, which lldb finds it by, the number of a
 * debug register, which it does not use any more, and where it was touched.
 */
void lldb_describe(struct session *s, const struct stop *st, struct buf *out)
{
	switch (st->kind) {
	case STOP_WATCH:
		buf_printf(out, "%" PRIu64 " 0 %" PRIu64, st->addr, st->addr);
		break;
	case STOP_FORK:
	case STOP_VFORK:
		buf_printf(out, "%d %d", st->child.pid, st->child.tid);
		break;
	case STOP_SIGNAL:
		if (st->signo)
			lldb_describe_signal(s, st, out);
		break;
	default:
		break;
	}
}

/* --- the T packet -------------------------------------------------------- */

static void put_text(struct buf *out, const char *key, const char *text)
{
	buf_puts(out, key);
	buf_puts(out, text);
	buf_putc(out, ';');
}

static void put_name(struct session *s, struct thread *th, struct buf *out)
{
	char name[64];

	if (s->target->ops->thread_name(s->target, th, name, sizeof(name)) <
		    0 ||
	    !*name)
		return;
	if (strpbrk(name, "#$+-;:*}") == NULL) {
		put_text(out, "name:", name);
		return;
	}
	buf_puts(out, "hexname:");
	buf_put_hex_str(out, name);
	buf_putc(out, ';');
}

static bool get_pc(struct session *s, struct thread *th, uint64_t *pc)
{
	return !th->running &&
	       target_reg_u64(s->target, th, th->proc->arch->pc, pc) >= 0;
}

/* Without printf and leading zeros: there may be a thousand of them, in the
 * reply to each step. */
static void put_pcs(struct session *s, const struct process *p, struct buf *out)
{
	const char *before = "thread-pcs:";
	struct thread *th;
	uint64_t pc;

	list_each(th, &p->threads, node) {
		if (!get_pc(s, th, &pc))
			continue;
		buf_puts(out, before);
		before = ",";
		buf_put_num(out, pc);
	}
	if (*before == ',')
		buf_putc(out, ';');
}

static void put_list(struct session *s, const struct process *p,
		     struct buf *out)
{
	const char *before = "threads:";
	struct thread *th;
	size_t n = 0;

	list_each(th, &p->threads, node) {
		buf_puts(out, before);
		before = ",";
		buf_put_num(out, (uint64_t)th->id.tid);
		n++;
	}
	buf_putc(out, ';');
	if (n > 1) {
		struct buf json = { 0 };

		lldb_put_threads(s, p, true, &json);
		buf_puts(out, "jstopinfo:");
		buf_put_hex(out, json.data, json.len);
		buf_putc(out, ';');
		buf_fini(&json);
	}
	put_pcs(s, p, out);
}

static void put_registers(struct session *s, struct thread *th, struct buf *out)
{
	const struct lldb_regs *t = lldb_regs_of(s, th);
	uint8_t value[LLDB_REG_BYTES];

	for (size_t i = 0; i < t->n_expedited; i++) {
		const struct lldb_reg *r = &t->regs[i];

		if (lldb_reg_fetch(s, th, r, value) < 0)
			continue;
		put_byte(out, (int)i);
		buf_putc(out, ':');
		buf_put_hex(out, value, r->bits / 8);
		buf_putc(out, ';');
	}
}

static void put_child(struct session *s, const struct stop *st, struct buf *out)
{
	if (st->kind != STOP_FORK && st->kind != STOP_VFORK)
		return;
	buf_printf(out, "%s:", lldb_reason(st));
	put_ptid(s, st->child, out);
	buf_putc(out, ';');
}

void lldb_stop_reply(struct session *s, const struct stop *st, struct buf *out)
{
	struct thread *th = thread_find(s->target, st->id.tid);
	const char *reason = lldb_reason(st);
	struct buf text = { 0 };

	buf_putc(out, 'T');
	put_byte(out, lldb_signal_of(s, st));
	buf_puts(out, "thread:");
	put_ptid(s, st->id, out);
	buf_putc(out, ';');
	if (th)
		put_name(s, th, out);
	if (th && s->lldb.list_threads)
		put_list(s, th->proc, out);
	if (th && !th->running)
		put_registers(s, th, out);
	if (reason)
		put_text(out, "reason:", reason);
	lldb_describe(s, st, &text);
	if (text.len) {
		buf_puts(out, "description:");
		buf_put_hex(out, text.data, text.len);
		buf_putc(out, ';');
	}
	buf_fini(&text);
	put_child(s, st, out);
}

/* --- all threads --------------------------------------------------------- */

static void put_minimal(struct session *s, struct thread *th, struct buf *out)
{
	static const char *const wanted[] = { "pc", "fp", "sp" };
	const struct lldb_regs *t = lldb_regs_of(s, th);
	uint8_t value[LLDB_REG_BYTES];
	char number[24];

	json_name(out, "registers");
	buf_putc(out, '{');
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const struct lldb_reg *r = lldb_reg_find(t, wanted[i]);

		if (!r || lldb_reg_fetch(s, th, r, value) < 0)
			continue;
		snprintf(number, sizeof(number), "%td", r - t->regs);
		json_name(out, number);
		buf_putc(out, '"');
		buf_put_hex(out, value, r->bits / 8);
		buf_putc(out, '"');
	}
	buf_putc(out, '}');
}

static void put_thread(struct session *s, struct thread *th, bool brief,
		       struct buf *out)
{
	struct stop st = lldb_stop_of(s, th);
	struct buf text = { 0 };
	char name[64];

	json_separate(out);
	buf_putc(out, '{');
	json_member_number(out, "tid", th->id.tid);
	if (s->target->ops->thread_name(s->target, th, name, sizeof(name)) >=
		    0 &&
	    *name)
		json_member_text(out, "name", name);
	if (!brief && !th->running)
		put_minimal(s, th, out);
	if (st.kind != STOP_NONE)
		json_member_number(out, "signal", lldb_signal_of(s, &st));
	if (lldb_reason(&st))
		json_member_text(out, "reason", lldb_reason(&st));
	lldb_describe(s, &st, &text);
	if (text.len)
		json_member_text(out, "description", buf_str(&text));
	buf_fini(&text);
	buf_putc(out, '}');
}

static bool may_have_a_stop(const struct session *s, const struct thread *th)
{
	return !th->running &&
	       (s->nonstop.on || ptid_equal(s->last.id, th->id));
}

/*
 * To lldb a thread that is not in the brief list has no reason to have stopped
 * (CalculateThreadStopInfo() in its ProcessGDBRemote.cpp). Names it takes from
 * the long one, when it shows a stop to its user.
 */
void lldb_put_threads(struct session *s, const struct process *p, bool brief,
		      struct buf *out)
{
	struct thread *th;

	buf_putc(out, '[');
	if (p)
		list_each(th, &p->threads, node) {
			if (!brief || may_have_a_stop(s, th))
				put_thread(s, th, brief, out);
		}
	buf_putc(out, ']');
}

int pk_threads_info(struct session *s, struct args *a, struct buf *out)
{
	struct buf json = { 0 };

	if (!take_end(a))
		return -EPROTO;
	lldb_put_threads(s, session_process(s), false, &json);
	buf_put_escaped(out, json.data, json.len);
	buf_fini(&json);
	return REPLY_NOW;
}

int pk_thread_stop_info(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th;
	struct stop st;
	struct ptid id;

	if (!take_ptid(a, &id) || !take_end(a))
		return -EPROTO;
	th = thread_find(s->target, id.tid);
	if (!th)
		return err_set(&s->err, -ESRCH, "no thread %d", id.tid);
	st = lldb_stop_of(s, th);
	st.id = th->id;
	lldb_stop_reply(s, &st, out);
	return REPLY_NOW;
}
