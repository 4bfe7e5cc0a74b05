/*
 * Stop replies: gdb manual, "Stop Reply Packets". Registers that a client
 * asks for first come along: frame pointer, stack pointer, pc.
 */
#include <string.h>

#include "base/log.h"
#include "rsp/signal.h"
#include "server/packet.h"
#include "server/session.h"

void put_ptid(const struct session *s, struct ptid id, struct buf *out)
{
	if (s->client.multiprocess) {
		buf_putc(out, 'p');
		buf_put_num(out, (uint64_t)id.pid);
		buf_putc(out, '.');
	}
	buf_put_num(out, (uint64_t)id.tid);
}

void put_byte(struct buf *out, int v)
{
	uint8_t byte = (uint8_t)v;

	buf_put_hex(out, &byte, 1);
}

static void put_reason_ptid(const struct session *s, const char *key,
			    struct ptid id, struct buf *out)
{
	buf_puts(out, key);
	put_ptid(s, id, out);
	buf_putc(out, ';');
}

static void put_number(struct buf *out, const char *key, uint64_t v)
{
	buf_puts(out, key);
	buf_put_num(out, v);
	buf_putc(out, ';');
}

static void put_watch(const struct watch_hit *hit, struct buf *out)
{
	static const char *const keys[] = {
		[POINT_WRITE] = "watch:",
		[POINT_READ] = "rwatch:",
		[POINT_ACCESS] = "awatch:",
	};

	put_number(out, keys[hit->point], hit->addr);
}

/* At most one reason is expected in a reply, unless multi-wp-addr was said. */
static void put_watches(const struct session *s, const struct stop *st,
			struct buf *out)
{
	put_watch(&(struct watch_hit){ st->addr, st->point }, out);
	for (unsigned i = 1; s->client.multi_wp_addr && i < st->n_watch; i++)
		put_watch(&st->watch[i], out);
}

static void put_exec(struct session *s, const struct stop *st, struct buf *out)
{
	const struct process *p = process_find(s->target, st->id.pid);

	buf_puts(out, "exec:");
	buf_put_hex_str(out, p ? p->path : "");
	buf_putc(out, ';');
}

static void put_reason(struct session *s, const struct stop *st,
		       struct buf *out)
{
	switch (st->kind) {
	case STOP_SWBREAK:
		if (s->client.swbreak)
			buf_puts(out, "swbreak:;");
		break;
	case STOP_HWBREAK:
		if (s->client.hwbreak)
			buf_puts(out, "hwbreak:;");
		break;
	case STOP_WATCH:
		put_watches(s, st, out);
		break;
	case STOP_FORK:
		put_reason_ptid(s, "fork:", st->child, out);
		break;
	case STOP_VFORK:
		put_reason_ptid(s, "vfork:", st->child, out);
		break;
	case STOP_VFORK_DONE:
		buf_puts(out, "vforkdone:;");
		break;
	case STOP_EXEC:
		put_exec(s, st, out);
		break;
	case STOP_SYSCALL_ENTRY:
		put_number(out, "syscall_entry:", (unsigned)st->code);
		break;
	case STOP_SYSCALL_RETURN:
		put_number(out, "syscall_return:", (unsigned)st->code);
		break;
	case STOP_CLONED:
		put_reason_ptid(s, "clone:", st->child, out);
		break;
	case STOP_CREATED:
		buf_puts(out, "create:;");
		break;
	default:
		break;
	}
}

static void put_reg(struct session *s, struct thread *th, unsigned regno,
		    struct buf *out)
{
	const struct regdesc *d = &th->proc->arch->regs[regno];
	uint8_t value[8];

	if (target_reg_read(s->target, th, regno, value) < 0)
		return;
	put_byte(out, (int)regno);
	buf_putc(out, ':');
	buf_put_hex(out, value, d->bits / 8);
	buf_putc(out, ';');
}

static void put_thread(struct session *s, const struct stop *st,
		       struct buf *out)
{
	struct thread *th = thread_find(s->target, st->id.tid);
	int core;

	if (th) {
		put_reg(s, th, th->proc->arch->fp, out);
		put_reg(s, th, th->proc->arch->sp, out);
		put_reg(s, th, th->proc->arch->pc, out);
	}
	if (packet_is_disabled(s, "Tthread"))
		return;
	put_reason_ptid(s, "thread:", st->id, out);
	core = th ? s->target->ops->thread_core(s->target, th) : -1;
	if (core < 0)
		return;
	buf_puts(out, "core:");
	buf_put_num(out, (unsigned)core);
	buf_putc(out, ';');
}

static void put_process(const struct session *s, const struct stop *st,
			struct buf *out)
{
	if (s->client.multiprocess)
		buf_printf(out, ";process:%x", st->id.pid);
}

static int signal_of(const struct stop *st)
{
	return st->kind == STOP_SIGNAL ? signal_to_gdb(st->signo)
				       : signal_to_gdb(SIGTRAP);
}

void stop_reply(struct session *s, const struct stop *st, struct buf *out)
{
	switch (st->kind) {
	case STOP_EXITED:
		buf_printf(out, "W%02x", st->code & 0xff);
		put_process(s, st, out);
		return;
	case STOP_KILLED:
		buf_printf(out, "X%02x", session_signal_out(s, st->signo));
		put_process(s, st, out);
		return;
	case STOP_THREAD_EXIT:
		buf_printf(out, "w%02x;", st->code & 0xff);
		put_ptid(s, st->id, out);
		return;
	case STOP_NO_RESUMED:
		buf_puts(out, "N");
		return;
	default:
		break;
	}
	if (s->lldb.on) {
		lldb_stop_reply(s, st, out);
		return;
	}
	if (packet_is_disabled(s, "T")) {
		buf_printf(out, "S%02x", signal_of(st));
		return;
	}
	buf_putc(out, 'T');
	put_byte(out, signal_of(st));
	put_reason(s, st, out);
	put_thread(s, st, out);
}
