/* Registers of the selected thread: g G p P. */
#include <string.h>

#include "base/hex.h"
#include "server/lldb-regs.h"
#include "server/packet.h"
#include "server/session.h"

int pk_regs_read(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = session_thread(s);
	const struct arch *arch = th->proc->arch;
	const uint8_t *regs;

	(void)a;
	if (trace_is_selected(s))
		return trace_read_registers(s, out);
	regs = target_regs_all(s->target, th);
	if (!regs)
		return -ESRCH;
	if (s->lldb.on)
		return lldb_regs_read(s, out);
	buf_put_hex(out, regs, s->client.descriptions ? arch->regs_size
						      : arch->basic_size);
	return REPLY_NOW;
}

/* A client may send fewer registers than there are: the first ones. */
int pk_regs_write(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = session_thread(s);
	size_t size = th->proc->arch->regs_size, n = args_left(a) / 2;
	const uint8_t *now = target_regs_all(s->target, th);
	uint8_t *regs;
	int r;

	if (!now)
		return -ESRCH;
	if (args_left(a) % 2 || n > size)
		return -EPROTO;
	buf_reset(&s->scratch);
	regs = (uint8_t *)buf_reserve(&s->scratch, size);
	memcpy(regs, now, size);
	if (!take_bytes(a, regs, n))
		return -EPROTO;
	r = target_regs_write_all(s->target, th, regs);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_reg_read(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = session_thread(s);
	const struct arch *arch = th->proc->arch;
	uint8_t value[64];
	uint64_t regno;
	int r;

	if (s->lldb.on)
		return lldb_reg_read(s, a, out);
	if (!take_hex(a, &regno) || !take_end(a))
		return -EPROTO;
	if (regno >= arch->n_regs)
		return -EINVAL;
	if (trace_is_selected(s))
		return trace_read_register(s, (unsigned)regno, out);
	r = target_reg_read(s->target, th, (unsigned)regno, value);
	if (r < 0)
		return r;
	buf_put_hex(out, value, arch->regs[regno].bits / 8);
	return REPLY_NOW;
}

int pk_reg_write(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = session_thread(s);
	const struct arch *arch = th->proc->arch;
	uint8_t value[64];
	uint64_t regno;
	int r;

	if (s->lldb.on)
		return lldb_reg_write(s, a, out);
	if (!take_hex(a, &regno) || !take_char(a, '='))
		return -EPROTO;
	if (regno >= arch->n_regs)
		return -EINVAL;
	if (!take_bytes(a, value, arch->regs[regno].bits / 8) || !take_end(a))
		return -EPROTO;
	r = target_reg_write(s->target, th, (unsigned)regno, value);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}
