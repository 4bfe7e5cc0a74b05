/* Registers of the selected thread to lldb: g p P, qRegisterInfo, target.xml,
 * QSaveRegisterState. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "server/lldb-regs.h"
#include "server/packet.h"
#include "server/session.h"

static const char *const set_names[] = {
	[SET_GENERAL] = "General Purpose Registers",
	[SET_FLOAT] = "Floating Point Registers",
	[SET_VECTOR] = "Advanced Vector Extensions",
	[SET_WIDE] = "AVX-512 Registers",
};

static bool is_vector(const struct lldb_reg *r)
{
	return r->bits > 64 || !strncmp(r->name, "mm", 2);
}

static const char *encoding_of(const struct lldb_reg *r)
{
	return is_vector(r) ? "vector" : "uint";
}

static const char *format_of(const struct lldb_reg *r)
{
	return is_vector(r) ? "vector-uint8" : "hex";
}

/* --- what there is ------------------------------------------------------- */

static void put_info(const struct lldb_reg *r, struct buf *out)
{
	buf_printf(out,
		   "name:%s;bitsize:%u;offset:%u;encoding:%s;format:%s;"
		   "set:%s;",
		   r->name, r->bits, r->offset, encoding_of(r), format_of(r),
		   set_names[r->set]);
	if (r->dwarf >= 0)
		buf_printf(out, "ehframe:%d;dwarf:%d;", r->dwarf, r->dwarf);
	if (r->generic)
		buf_printf(out, "generic:%s;", r->generic);
	if (r->whole >= 0)
		buf_printf(out, "container-regs:%x;invalidate-regs:%x;",
			   r->whole, r->whole);
}

int pk_register_info(struct session *s, struct args *a, struct buf *out)
{
	const struct lldb_regs *t = lldb_regs_of(s, session_thread(s));
	uint64_t n;

	if (!take_hex(a, &n) || !take_end(a))
		return -EPROTO;
	if (n >= t->n)
		return -ERANGE;
	put_info(&t->regs[n], out);
	return REPLY_NOW;
}

static void put_reg(const struct lldb_reg *r, size_t number, struct buf *out)
{
	buf_printf(out,
		   "<reg name=\"%s\" bitsize=\"%u\" regnum=\"%zu\" "
		   "offset=\"%u\" encoding=\"%s\" format=\"%s\" "
		   "group=\"%s\"",
		   r->name, r->bits, number, r->offset, encoding_of(r),
		   format_of(r), set_names[r->set]);
	if (r->dwarf >= 0)
		buf_printf(out, " ehframe_regnum=\"%d\" dwarf_regnum=\"%d\"",
			   r->dwarf, r->dwarf);
	if (r->generic)
		buf_printf(out, " generic=\"%s\"", r->generic);
	if (r->whole >= 0)
		buf_printf(out,
			   " value_regnums=\"%d\" "
			   "invalidate_regnums=\"%d\"",
			   r->whole, r->whole);
	buf_puts(out, "/>\n");
}

void lldb_put_target(const struct lldb_regs *t, struct buf *out)
{
	buf_printf(out,
		   "<?xml version=\"1.0\"?>\n<target version=\"1.0\">\n"
		   "<architecture>%s</architecture>\n<feature>\n",
		   t->arch->word == 8 ? "x86_64" : "i386");
	for (size_t i = 0; i < t->n; i++)
		put_reg(&t->regs[i], i, out);
	buf_puts(out, "</feature>\n</target>\n");
}

/* --- values -------------------------------------------------------------- */

int lldb_regs_read(struct session *s, struct buf *out)
{
	struct thread *th = session_thread(s);
	const struct lldb_regs *t = lldb_regs_of(s, th);
	uint8_t *image;
	int r = 0;

	buf_reset(&s->scratch);
	image = (uint8_t *)buf_reserve(&s->scratch, t->sent);
	for (size_t i = 0; i < t->n && r >= 0; i++) {
		if (t->regs[i].whole < 0 && t->regs[i].offset < t->sent)
			r = lldb_reg_fetch(s, th, &t->regs[i],
					   image + t->regs[i].offset);
	}
	buf_put_hex(out, image, t->sent);
	return r < 0 ? r : REPLY_NOW;
}

static const struct lldb_reg *take_reg(struct session *s, struct args *a)
{
	const struct lldb_regs *t = lldb_regs_of(s, session_thread(s));
	uint64_t n;

	return take_hex(a, &n) && n < t->n ? &t->regs[n] : NULL;
}

int lldb_reg_read(struct session *s, struct args *a, struct buf *out)
{
	const struct lldb_reg *reg = take_reg(s, a);
	uint8_t value[LLDB_REG_BYTES];
	int r;

	if (!reg || !take_end(a))
		return -EINVAL;
	r = lldb_reg_fetch(s, session_thread(s), reg, value);
	if (r < 0)
		return r;
	buf_put_hex(out, value, reg->bits / 8);
	return REPLY_NOW;
}

int lldb_reg_write(struct session *s, struct args *a, struct buf *out)
{
	const struct lldb_reg *reg = take_reg(s, a);
	uint8_t value[LLDB_REG_BYTES];
	int r;

	if (!reg || !take_char(a, '=') ||
	    !take_bytes(a, value, reg->bits / 8) || !take_end(a))
		return -EINVAL;
	r = lldb_reg_store(s, session_thread(s), reg, value);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* --- saved states -------------------------------------------------------- */

struct saved {
	struct list node;
	unsigned number;
	struct ptid id;
	const struct arch *arch; /* what the image is of; borrowed */
	uint8_t image[];
};

int pk_save_registers(struct session *s, struct args *a, struct buf *out)
{
	struct thread *th = session_thread(s);
	const uint8_t *regs = target_regs_all(s->target, th);
	size_t size = th->proc->arch->regs_size;
	struct saved *saved;

	if (!take_end(a))
		return -EPROTO;
	if (!regs)
		return -ESRCH;
	saved = xcalloc(1, sizeof(*saved) + size);
	saved->number = ++s->lldb.last_saved;
	saved->id = th->id;
	saved->arch = th->proc->arch;
	memcpy(saved->image, regs, size);
	list_add(&s->lldb.saved, &saved->node);
	buf_printf(out, "%u", saved->number);
	return REPLY_NOW;
}

static void forget(struct saved *saved)
{
	list_drop(&saved->node);
	free(saved);
}

static void forget_all(struct session *s)
{
	struct saved *saved, *next;

	list_each_safe(saved, next, &s->lldb.saved, node)
		forget(saved);
}

/* A number is decimal, and good for once. */
static struct saved *take_saved(struct session *s, struct args *a)
{
	struct saved *saved;
	struct args word;
	char *end;
	unsigned long n;

	if (!take_word(a, ";", &word))
		return NULL;
	n = strtoul(word.p, &end, 10);
	if (end != word.end || end == word.p)
		return NULL;
	list_each(saved, &s->lldb.saved, node) {
		if (saved->number == n)
			return saved;
	}
	return NULL;
}

int pk_restore_registers(struct session *s, struct args *a, struct buf *out)
{
	struct saved *saved = take_saved(s, a);
	struct thread *th = session_thread(s);
	int r;

	if (!saved)
		return err_set(&s->err, -ENOENT, "no such saved registers");
	if (!ptid_equal(saved->id, th->id) || saved->arch != th->proc->arch)
		return err_set(&s->err, -ESRCH,
			       "they are another thread's registers");
	r = target_regs_write_all(s->target, th, saved->image);
	forget(saved);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* --- the session's part -------------------------------------------------- */

void lldb_fini(struct session *s)
{
	struct lldb_regs *t, *next;

	forget_all(s);
	list_each_safe(t, next, &s->lldb.tables, node)
		lldb_regs_free(t);
	free(s->lldb.launch_error);
	buf_fini(&s->lldb.matches);
	buf_fini(&s->lldb.allocations);
}
