/*
 * Original code, page by page, and what can be told of its flags. Nothing is
 * written here.
 */
#include "translate/x86_64/code.h"

#include <string.h>
#include <sys/auxv.h>

#include "arch/x86_64/effects.h"
#include "target/target.h"
#include "translate/gate.h"
#include "translate/layer.h"
#include "translate/redirects.h"
#include "translate/x86_64/constant.h"

#define PAGE		    4096u
#define HWCAP2_HAS_FSGSBASE 2

void code_init(struct code_reader *r, struct space *sp)
{
	r->sp = sp;
	sp->batch++;
}

static bool is_good(const struct space *sp, const struct code_page *p)
{
	return p->batch == sp->batch ||
	       (p->batch > sp->batch_mapped && p->size > 0 && !p->gate &&
		!(p->flags & (RANGE_W | RANGE_SHARE)));
}

static struct code_page *slot_at(const struct space *sp, uint64_t addr)
{
	return &sp->pages_read[addr / PAGE & (CODE_PAGES - 1)];
}

static void page_forget(struct code_page *p, uint64_t lo, uint64_t hi)
{
	if (p->addr + PAGE > lo && p->addr < hi)
		p->addr = UINT64_MAX;
}

void code_forget(struct space *sp, uint64_t lo, uint64_t hi)
{
	uint64_t addr = lo & -(uint64_t)PAGE;

	for (unsigned i = 0; i < CODE_PAGES && addr < hi; i++, addr += PAGE)
		page_forget(slot_at(sp, addr), lo, hi);
	for (unsigned i = 0; i < POINTER_PAGES; i++)
		page_forget(&sp->pointers_read[i], lo, hi);
}

/* What is about to be read costs no more if it is one piece; but no page goes
 * for that, and each that can have a gate is to be asked for its own. */
#define AHEAD 4u

static unsigned how_many(const struct space *sp, uint64_t addr,
			 const struct map_range *range)
{
	unsigned n = 1;

	if ((range->flags & (RANGE_FILE | RANGE_W | RANGE_SHARE)) != RANGE_FILE)
		return 1;
	while (n < AHEAD && addr + n * PAGE < range->hi &&
	       !is_good(sp, slot_at(sp, addr + n * PAGE)))
		n++;
	return n;
}

static void pages_read(struct space *sp, uint64_t addr,
		       const struct map_range *range)
{
	unsigned n = how_many(sp, addr, range);
	uint8_t bytes[AHEAD * PAGE];
	ssize_t left = target_read(sp->tr->lower, sp->by->proc, addr, bytes,
				   (size_t)n * PAGE);

	for (unsigned i = 0; i < n; i++, left -= PAGE) {
		struct code_page *p = slot_at(sp, addr + i * PAGE);

		p->addr = addr + i * PAGE;
		p->batch = sp->batch;
		p->flags = range->flags;
		p->gate = NULL;
		p->answer = 0;
		p->size = left < (ssize_t)PAGE ? left : (ssize_t)PAGE;
		if (p->size > 0)
			memcpy(p->bytes, bytes + i * PAGE, (size_t)p->size);
	}
}

static void page_read(struct space *sp, struct code_page *p, uint64_t addr)
{
	const struct map_range *range = space_find(sp, addr);

	p->addr = addr;
	p->batch = sp->batch;
	p->flags = range ? range->flags : 0;
	p->gate = NULL;
	p->size = 0;
	p->answer = 0;
	if (!(p->flags & RANGE_X))
		return;
	if (sp->tr->trust)
		p->gate = gate_prepare(sp, addr, range);
	if (p->gate && !gate_is_hot(p->gate))
		memcpy(p->bytes, p->gate->bytes, (size_t)(p->size = PAGE));
	else if (p->gate)
		p->size = target_read(sp->tr->lower, sp->by->proc, addr,
				      p->bytes, PAGE);
	else if ((range = space_find(sp, addr)))
		pages_read(sp, addr, range);
}

static struct code_page *page_at(struct code_reader *r, uint64_t addr)
{
	uint64_t page = addr & -(uint64_t)PAGE;
	struct code_page *p = slot_at(r->sp, page);

	if (p->addr != page || !is_good(r->sp, p))
		page_read(r->sp, p, page);
	return p;
}

unsigned code_flags(struct code_reader *r, uint64_t pc)
{
	return page_at(r, pc)->flags;
}

bool code_ask(struct code_reader *r, uint64_t pc, code_question_fn *question)
{
	struct code_page *p = page_at(r, pc);

	if (!p->answer)
		p->answer = question(r->sp, p) ? 1 : -1;
	return p->answer > 0;
}

struct gate *code_gate(struct code_reader *r, uint64_t pc)
{
	return page_at(r, pc)->gate;
}

/* Bytes at pc, across the end of a page; how many. */
static size_t fetch(struct code_reader *r, uint64_t pc, uint8_t *out)
{
	size_t n = 0;

	memset(out, 0, X86_INSN_MAX);
	while (n < X86_INSN_MAX) {
		const struct code_page *p = page_at(r, pc + n);
		size_t off = (pc + n) % PAGE;
		size_t have = p->size > (ssize_t)off ? p->size - off : 0;
		size_t want = X86_INSN_MAX - n;

		memcpy(out + n, p->bytes + off, have < want ? have : want);
		if (have < want && off + have < PAGE)
			return n + have;
		n += have < want ? have : want;
	}
	return n;
}

/* The usual case: the decoder reads from the page itself, and further than an
 * instruction can be. */
static bool read_within(const struct code_page *p, uint64_t pc, struct insn *i)
{
	const uint8_t *at = p->bytes + pc % PAGE;

	memcpy(i->bytes, at, X86_INSN_MAX);
	return x86_decode(at, PAGE - pc % PAGE, X86_MODE_64, &i->in) > 0;
}

static bool read_anywhere(struct code_reader *r, uint64_t pc, struct insn *i)
{
	size_t n = fetch(r, pc, i->bytes);

	return n && x86_decode(i->bytes, n, X86_MODE_64, &i->in) > 0;
}

bool code_read(struct code_reader *r, uint64_t pc, struct insn *i)
{
	const struct code_page *p = page_at(r, pc);
	bool within = p->size == PAGE && pc % PAGE <= PAGE - X86_INSN_MAX;

	i->pc = pc;
	i->ok = within ? read_within(p, pc, i) : read_anywhere(r, pc, i);
	if (!i->ok)
		i->in = (struct x86_instr){ .length = 1, .kind = X86_UD };
	return i->ok;
}

bool has_fsgsbase(void)
{
	return getauxval(AT_HWCAP2) & HWCAP2_HAS_FSGSBASE;
}

/* mov %gs, ...; push %gs */
static bool reads_selector(const struct x86_instr *in)
{
	if (in->map == X86_MAP_MAIN)
		return in->opcode == 0x8c && (in->modrm >> 3 & 7) == 5;
	return in->map == X86_MAP_0F && in->opcode == 0xa8;
}

bool insn_touches_gs(const struct insn *i)
{
	const struct x86_instr *in = &i->in;
	unsigned reg = in->modrm >> 3 & 7;

	if (reads_selector(in))
		return !has_fsgsbase();
	if (in->map == X86_MAP_MAIN)
		return in->opcode == 0x8e && reg == 5;
	if (in->map != X86_MAP_0F)
		return false;
	return in->opcode == 0xa9 || in->opcode == 0xb5 ||
	       (in->opcode == 0xae && in->prefixes & X86_PFX_F3 &&
		in->modrm >= 0xc0 && (reg == 1 || reg == 3));
}

/* To read a page takes no longer than a word of it, and tables of pointers are
 * asked for one after the other. */
static bool read_pointer(struct space *sp, uint64_t at,
			 const struct map_range *range, uint64_t *value)
{
	uint64_t addr = at & -(uint64_t)PAGE;
	struct code_page *p =
		&sp->pointers_read[addr / PAGE & (POINTER_PAGES - 1)];

	if (at % PAGE > PAGE - sizeof(*value))
		return target_read_all(sp->tr->lower, sp->by->proc, at, value,
				       sizeof(*value)) == 0;
	if (p->addr != addr || p->flags != range->flags || !is_good(sp, p)) {
		p->addr = addr;
		p->batch = sp->batch;
		p->flags = range->flags;
		p->size = target_read(sp->tr->lower, sp->by->proc, addr,
				      p->bytes, PAGE);
	}
	if (p->size < (ssize_t)(at % PAGE + sizeof(*value)))
		return false;
	memcpy(value, p->bytes + at % PAGE, sizeof(*value));
	return true;
}

bool insn_pointer(struct code_reader *reader, const struct insn *i,
		  uint64_t *target, bool *constant)
{
	struct space *sp = reader->sp;
	const struct map_range *r;
	uint64_t at;

	if (!i->in.rip_relative || i->in.near16 ||
	    i->in.prefixes & (X86_PFX_FS | X86_PFX_67))
		return false;
	at = x86_rip_operand(&i->in, i->bytes, i->pc);
	r = space_find(sp, at);
	if (!r || !read_pointer(sp, at, r, target))
		return false;
	*constant =
		(r->flags & (RANGE_R | RANGE_W | RANGE_FILE | RANGE_SHARE)) ==
		(RANGE_R | RANGE_FILE);
	if (*constant)
		constant_use(sp, at, i->pc);
	r = space_find(sp, *target);
	return r && r->flags & RANGE_X;
}

/* Opcodes, of those that can have memory as what they write, by their maps. */
static bool stores_main(const struct x86_instr *in)
{
	unsigned op = in->opcode, reg = in->modrm >> 3 & 7;

	if (op < 0x38)
		return (op & 7) < 2;
	switch (op) {
	case 0x80 ... 0x83:
		return reg != 7;
	case 0x86 ... 0x89:
	case 0x8c:
	case 0x8f:
	case 0xc0 ... 0xc1:
	case 0xc6 ... 0xc7:
	case 0xd0 ... 0xdf:
		return true;
	case 0xf6 ... 0xf7:
		return reg == 2 || reg == 3;
	case 0xfe ... 0xff:
		return reg < 2;
	default:
		return false;
	}
}

static bool stores_0f(const struct x86_instr *in)
{
	switch (in->opcode) {
	case 0x11:
	case 0x13:
	case 0x17:
	case 0x29:
	case 0x2b:
	case 0x7e ... 0x7f:
	case 0x90 ... 0x9f:
	case 0xa4 ... 0xa5:
	case 0xab ... 0xae:
	case 0xb0 ... 0xb1:
	case 0xb3:
	case 0xba ... 0xbb:
	case 0xc0 ... 0xc1:
	case 0xc3:
	case 0xc7:
	case 0xd6:
	case 0xe7:
		return true;
	default:
		return false;
	}
}

bool code_patches(const struct insn *i)
{
	const struct x86_instr *in = &i->in;
	uint64_t apart;

	if (in->map == X86_MAP_MAIN &&
	    ((in->opcode & ~1) == 0xa4 || (in->opcode & ~1) == 0xaa))
		return true;
	if (!in->rip_relative)
		return false;
	apart = x86_rip_operand(in, i->bytes, i->pc) - i->pc;
	if (apart + PAGE > 2 * PAGE)
		return false;
	return in->map == X86_MAP_MAIN ? stores_main(in) : stores_0f(in);
}

/* Looking further than this proves nothing. */
#define LOOK_AHEAD 32
#define DEPTH	   4

struct walk {
	uint64_t pc;
	uint64_t returns[DEPTH];
	unsigned depth;
};

/*
 * On to where control goes next. False: nobody can tell. The psABI (3.2.1) lets
 * no flags live across calls and returns, but compilers keep them across a
 * function that they know not to change any (gcc's -fipa-ra), and programs are
 * not all compiled.
 */
static bool walk_on(struct walk *w, const struct insn *i)
{
	if (i->in.near16)
		return false;
	switch (i->in.kind) {
	case X86_PLAIN:
		w->pc = insn_next(i);
		return true;
	case X86_JMP:
		w->pc = x86_target(&i->in, i->pc);
		return true;
	case X86_CALL:
		if (w->depth == DEPTH)
			return false;
		w->returns[w->depth++] = insn_next(i);
		w->pc = x86_target(&i->in, i->pc);
		return true;
	case X86_RET:
		if (!w->depth)
			return false;
		w->pc = w->returns[--w->depth];
		return true;
	default:
		return false;
	}
}

bool code_flags_dead(struct code_reader *r, uint64_t pc)
{
	unsigned pending = X86_F_ALL;
	struct walk w = { .pc = pc };
	struct x86_effects e;
	struct insn i;

	/* Who knows what is kept of these instructions, and put there, or
	 * executed in their place? */
	if (r->sp->tr->transform || redirects(r->sp))
		return false;
	for (unsigned n = 0; n < LOOK_AHEAD; n++) {
		if (!code_read(r, w.pc, &i))
			return false;
		x86_effects(&i.in, i.bytes, &e);
		if (e.flags_read & pending)
			return false;
		pending &= ~(unsigned)e.flags_written;
		if (!pending)
			return true;
		if (!walk_on(&w, &i))
			return false;
	}
	return false;
}
