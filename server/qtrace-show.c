/* What there is: blocks, with what has become of them, and threads. */
#include "server/qtrace.h"

#include <errno.h>
#include <stdlib.h>

#include "arch/x86_64/decode.h"
#include "base/mem.h"
#include "translate/disassemble.h"
#include "translate/inspect.h"

#define BLOCK_BYTES_MAX 2048u /* 128 instructions */

/* --- a block ------------------------------------------------------------- */

struct shown {
	struct translate_code c;
	uint8_t bytes[BLOCK_BYTES_MAX]; /* of the original */
	uint32_t n;
	struct disassembler *d;
	struct buf *out;
};

static const char *const ends[N_X86_KINDS] = {
	[X86_PLAIN] = "falls",
	[X86_JMP] = "jump",
	[X86_JCC] = "conditional",
	[X86_LOOP] = "conditional",
	[X86_CALL] = "call",
	[X86_JMP_IND] = "indirect-jump",
	[X86_CALL_IND] = "indirect-call",
	[X86_RET] = "return",
	[X86_SYSCALL] = "syscall",
};

/* The last of the original instructions; false: there is none. */
static bool last_insn(const struct shown *x, uint64_t *pc, struct x86_instr *in)
{
	uint32_t at = 0;

	while (at < x->n &&
	       x86_decode(x->bytes + at, x->n - at, X86_MODE_64, in) > 0) {
		*pc = x->c.block.pc + at;
		at += in->length;
	}
	return at > 0;
}

/* How it ends, and where it may lead as far as that is fixed. */
static void put_end(struct shown *x)
{
	struct x86_instr in = { .kind = X86_PLAIN };
	uint64_t pc, next = x->c.block.pc + x->n;
	const char *end;
	bool falls;

	if (!last_insn(x, &pc, &in))
		return;
	end = ends[in.kind] ? ends[in.kind] : "other";
	falls = in.kind != X86_JMP && in.kind != X86_JMP_IND &&
		in.kind != X86_RET;
	buf_printf(x->out, "end=%s;successors=", end);
	if (x86_is_direct(&in))
		buf_printf(x->out, "%lx%s", x86_target(&in, pc),
			   falls ? "," : "");
	if (falls)
		buf_printf(x->out, "%lx", next);
	buf_putc(x->out, ';');
}

static void put_flags(struct buf *out, unsigned flags)
{
	static const char *const words[] = { "checked", "gated", "excluded",
					     "redirected" };
	const char *between = "";

	buf_puts(out, "flags=");
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (!(flags & 1u << i))
			continue;
		buf_printf(out, "%s%s", between, words[i]);
		between = ",";
	}
	buf_putc(out, ';');
}

/* A line an instruction: address, bytes, text. */
static void put_code(struct shown *x, const char *head, const uint8_t *code,
		     uint32_t n, uint64_t addr)
{
	struct disassembled one;

	buf_printf(x->out, "%s:\n", head);
	for (uint32_t at = 0; at < n; at += one.length) {
		disassemble(x->d, code + at, n - at, addr + at, &one);
		if (one.length > n - at)
			one.length = n - at;
		buf_printf(x->out, "%lx ", addr + at);
		buf_put_hex(x->out, code + at, one.length);
		buf_printf(x->out, " %s\n", one.text);
	}
}

static void put_block(struct session *s, struct shown *x)
{
	const struct translate_block *b = &x->c.block;
	enum trace_mode mode =
		translate_mode(translate_space(session_process(s)));

	buf_printf(x->out, "pc=%lx;length=%x;instructions=%x;", b->pc,
		   b->length, b->instructions);
	if (mode == MODE_COVERAGE || mode == MODE_COUNT)
		buf_printf(x->out, "hits=%lx;", b->hits);
	put_end(x);
	put_flags(x->out, x->c.flags);
	buf_printf(x->out, "cache=%lx;cache-length=%x;", x->c.cache,
		   x->c.code_length);
	if (b->module)
		buf_printf(x->out, "offset=%lx;module=%s;",
			   b->pc - b->module->base, b->module->path);
	buf_putc(x->out, '\n');
	put_code(x, "original", x->bytes, x->n, b->pc);
	put_code(x, "translated", x->c.code, x->c.code_length, x->c.cache);
}

static int inspect(struct session *s, uint64_t pc, struct translate_code *c)
{
	struct process *p = take_followed(s);

	if (!p)
		return -ESRCH;
	if (translate_inspect(s->target, p, pc, c) == 0)
		return 0;
	return err_set(&s->err, -ENOENT,
		       "nothing at %lx was translated yet: prefetch it", pc);
}

int verb_block(struct session *s, struct args *a, struct buf *out)
{
	struct shown x = { .out = out };
	uint64_t pc;
	int r;

	if (!take_hex(a, &pc) || !take_end(a))
		return err_set(&s->err, -EINVAL, "which code? ADDR in hex");
	r = inspect(s, pc, &x.c);
	if (r < 0)
		return r;
	x.n = x.c.block.length < BLOCK_BYTES_MAX ? x.c.block.length
						 : BLOCK_BYTES_MAX;
	if (target_read_all(s->target, session_process(s), x.c.block.pc,
			    x.bytes, x.n) < 0)
		x.n = 0;
	x.d = disassembler_new();
	put_block(s, &x);
	disassembler_free(x.d);
	return 0;
}

/* --- all of them --------------------------------------------------------- */

struct listing {
	struct buf *out;
	uint64_t lo, hi;
	bool has_range;
	unsigned n, most;
};

/* A packet is no place for millions: the annex is. */
#define BLOCKS_MAX 4096u

static void list_block(void *user, const struct translate_block *b)
{
	struct listing *l = user;

	if (l->has_range && (b->pc >= l->hi || b->pc + b->length <= l->lo))
		return;
	if (l->n++ < l->most)
		buf_printf(l->out, "%lx,%x,%x,%lx;", b->pc, b->length,
			   b->instructions, b->hits);
}

int verb_blocks(struct session *s, struct args *a, struct buf *out)
{
	struct listing l = { .most = BLOCKS_MAX };
	struct buf list = { 0 };
	struct process *p;

	l.out = &list;
	l.has_range = take_range(a, &l.lo, &l.hi);
	if (!take_end(a))
		return err_set(&s->err, -EINVAL,
			       "blocks of which code? ADDR,LEN in hex, or all");
	p = take_followed(s);
	if (!p)
		return -ESRCH;
	translate_blocks_each(translate_space(p), list_block, &l);
	buf_printf(out, "blocks=%x;", l.n);
	if (l.n > l.most)
		buf_printf(out, "left-out=%x;", l.n - l.most);
	buf_put(out, list.data, list.len);
	buf_fini(&list);
	return 0;
}

/* --- threads ------------------------------------------------------------- */

static const char *state_of(const struct translate_thread *x)
{
	return x->native ? "native" : x->in_cache ? "translated" : "original";
}

int verb_threads(struct session *s, struct args *a, struct buf *out)
{
	struct translate_thread x;
	struct thread *th = NULL;

	if (!take_end(a))
		return -EPROTO;
	while ((th = thread_next(s->target, th))) {
		put_ptid(s, th->id, out);
		if (translate_thread_state(th, &x))
			buf_printf(out, ",followed,%s,%s,depth=%x;",
				   mode_name(translate_mode(
					   translate_space(th->proc))),
				   state_of(&x), x.depth);
		else
			buf_puts(out, ",not-followed;");
	}
	return 0;
}
