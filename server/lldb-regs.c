/* The tables, one for an instruction set, and values through them. */
#include "server/lldb-regs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "server/session.h"

/* DWARF numbers: System V ABI, AMD64 supplement, figure 3.36; and i386's,
 * table 2.14. */
struct row {
	const char *name, *of; /* of: the instruction set's name, NULL: same */
	int16_t dwarf;
	const char *generic;
};

static const struct row general64[] = {
	{ "rax", NULL, 0, NULL },      { "rbx", NULL, 3, NULL },
	{ "rcx", NULL, 2, "arg4" },    { "rdx", NULL, 1, "arg3" },
	{ "rdi", NULL, 5, "arg1" },    { "rsi", NULL, 4, "arg2" },
	{ "rbp", NULL, 6, "fp" },      { "rsp", NULL, 7, "sp" },
	{ "r8", NULL, 8, "arg5" },     { "r9", NULL, 9, "arg6" },
	{ "r10", NULL, 10, NULL },     { "r11", NULL, 11, NULL },
	{ "r12", NULL, 12, NULL },     { "r13", NULL, 13, NULL },
	{ "r14", NULL, 14, NULL },     { "r15", NULL, 15, NULL },
	{ "rip", NULL, 16, "pc" },     { "rflags", "eflags", 49, "flags" },
	{ "cs", NULL, 51, NULL },      { "fs", NULL, 54, NULL },
	{ "gs", NULL, 55, NULL },      { "ss", NULL, 52, NULL },
	{ "fs_base", NULL, 58, "tp" }, { "gs_base", NULL, 59, NULL },
	{ "ds", NULL, 53, NULL },      { "es", NULL, 50, NULL },
};

static const struct row general32[] = {
	{ "eax", NULL, 0, NULL }, { "ebx", NULL, 3, NULL },
	{ "ecx", NULL, 1, NULL }, { "edx", NULL, 2, NULL },
	{ "edi", NULL, 7, NULL }, { "esi", NULL, 6, NULL },
	{ "ebp", NULL, 5, "fp" }, { "esp", NULL, 4, "sp" },
	{ "eip", NULL, 8, "pc" }, { "eflags", NULL, 9, "flags" },
	{ "cs", NULL, 41, NULL }, { "fs", NULL, 44, NULL },
	{ "gs", NULL, 45, NULL }, { "ss", NULL, 42, NULL },
	{ "ds", NULL, 43, NULL }, { "es", NULL, 40, NULL },
};

/* A part of a register: how wide, from which byte, and its name for each of
 * the first sixteen (eight on i386) general ones; "" for none. */
static const struct parts {
	uint8_t len, from;
	const char *names[16];
} parts64[] = {
	{ 4,
	  0,
	  { "eax", "ebx", "ecx", "edx", "edi", "esi", "ebp", "esp", "r8d",
	    "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d" } },
	{ 2,
	  0,
	  { "ax", "bx", "cx", "dx", "di", "si", "bp", "sp", "r8w", "r9w",
	    "r10w", "r11w", "r12w", "r13w", "r14w", "r15w" } },
	{ 1, 1, { "ah", "bh", "ch", "dh" } },
	{ 1,
	  0,
	  { "al", "bl", "cl", "dl", "dil", "sil", "bpl", "spl", "r8l", "r9l",
	    "r10l", "r11l", "r12l", "r13l", "r14l", "r15l" } },
};

static const struct parts parts32[] = {
	{ 2, 0, { "ax", "bx", "cx", "dx", "di", "si", "bp", "sp" } },
	{ 1, 1, { "ah", "bh", "ch", "dh" } },
	{ 1, 0, { "al", "bl", "cl", "dl" } },
};

/* The x87 unit's: gdb has 32 bits of each. */
static const struct {
	const char *name, *of;
	uint8_t len;
	int16_t dwarf64, dwarf32;
} control[] = {
	{ "fctrl", NULL, 2, 65, 37 }, { "fstat", NULL, 2, 66, 38 },
	{ "ftag", NULL, 2, -1, -1 },  { "fop", NULL, 2, -1, -1 },
	{ "fiseg", NULL, 4, -1, -1 }, { "fioff", NULL, 4, -1, -1 },
	{ "foseg", NULL, 4, -1, -1 }, { "fooff", NULL, 4, -1, -1 },
	{ "mxcsr", NULL, 4, 64, 39 },
};

/* --- making a table ------------------------------------------------------ */

static int arch_reg(const struct arch *a, const char *name)
{
	for (size_t i = 0; i < a->n_regs; i++) {
		if (!strcmp(a->regs[i].name, name))
			return (int)i;
	}
	return -1;
}

static struct lldb_reg *add(struct lldb_regs *t, const char *name,
			    unsigned bytes, enum lldb_set set, int dwarf)
{
	struct lldb_reg *r = &t->regs[t->n++];

	*r = (struct lldb_reg){
		.bits = (uint16_t)(8 * bytes),
		.set = set,
		.dwarf = (int16_t)dwarf,
		.whole = -1,
	};
	snprintf(r->name, sizeof(r->name), "%s", name);
	return r;
}

/* A piece more of it: so much of that register, from its first byte. */
static void add_piece(struct lldb_regs *t, struct lldb_reg *r, const char *name,
		      unsigned bytes)
{
	int regno = arch_reg(t->arch, name);
	unsigned has = regno < 0 ? 0 : t->arch->regs[regno].bits / 8;

	if (has)
		r->piece[r->n_pieces++] = (struct lldb_piece){
			.regno = (uint16_t)regno,
			.len = (uint8_t)(bytes < has ? bytes : has),
		};
}

static void place(struct lldb_regs *t, struct lldb_reg *r)
{
	r->offset = (uint16_t)t->size;
	t->size += r->bits / 8;
}

static void add_general(struct lldb_regs *t, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *of = rows[i].of ? rows[i].of : rows[i].name;
		struct lldb_reg *r = add(t, rows[i].name, t->arch->word,
					 SET_GENERAL, rows[i].dwarf);

		r->generic = rows[i].generic;
		add_piece(t, r, of, t->arch->word);
		place(t, r);
	}
	t->n_expedited = t->n;
}

/* The name is of so many bytes of that register, which is in the table. */
static void add_part(struct lldb_regs *t, const char *name, size_t whole,
		     unsigned from, unsigned len, int dwarf)
{
	const struct lldb_reg *w = &t->regs[whole];
	struct lldb_reg *r = add(t, name, len, w->set, dwarf);

	r->whole = (int16_t)whole;
	r->offset = (uint16_t)(w->offset + from);
	r->n_pieces = 1;
	r->piece[0] = w->piece[0];
	r->piece[0].from = (uint8_t)from;
	r->piece[0].len = (uint8_t)len;
}

static void add_parts(struct lldb_regs *t, const struct parts *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < 16; k++) {
			if (all[i].names[k])
				add_part(t, all[i].names[k], k, all[i].from,
					 all[i].len, -1);
		}
	}
}

static void add_control(struct lldb_regs *t)
{
	bool wide = t->arch->word == 8;

	for (size_t i = 0; i < ARRAY_SIZE(control); i++) {
		struct lldb_reg *r =
			add(t, control[i].name, control[i].len, SET_FLOAT,
			    wide ? control[i].dwarf64 : control[i].dwarf32);

		add_piece(t, r, control[i].name, control[i].len);
		place(t, r);
	}
}

static void add_stack(struct lldb_regs *t)
{
	size_t first = t->n;
	int dwarf = t->arch->word == 8 ? 33 : 11;
	char name[12];

	for (int i = 0; i < 8; i++) {
		struct lldb_reg *r;

		snprintf(name, sizeof(name), "st%d", i);
		r = add(t, name, 10, SET_FLOAT, dwarf + i);
		add_piece(t, r, name, 10);
		place(t, r);
	}
	dwarf = t->arch->word == 8 ? 41 : 29;
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "mm%d", i);
		add_part(t, name, first + (size_t)i, 0, 8, dwarf + i);
	}
}

/* Whole ones of the widest kind that there is, put together from what each
 * extension has added: 16 bytes of SSE's, 16 of AVX's, 32 of AVX-512's. */
static void add_wide(struct lldb_regs *t, const char *name, int i,
		     unsigned bytes, enum lldb_set set, int dwarf)
{
	char piece[16], whole[12];
	struct lldb_reg *r;

	snprintf(whole, sizeof(whole), "%s%d", name, i);
	r = add(t, whole, bytes, set, dwarf);
	snprintf(piece, sizeof(piece), "xmm%d", i);
	add_piece(t, r, piece, 16);
	snprintf(piece, sizeof(piece), "ymm%dh", i);
	if (bytes > 16)
		add_piece(t, r, piece, 16);
	snprintf(piece, sizeof(piece), "zmm%dh", i);
	if (bytes > 32)
		add_piece(t, r, piece, 32);
	place(t, r);
}

/* xmm is part of ymm, if there is that, so that a change of one is one of the
 * other to lldb too. */
static void add_vectors(struct lldb_regs *t)
{
	bool wide = t->arch->word == 8, avx = arch_reg(t->arch, "ymm0h") >= 0;
	int n = wide ? 16 : 8;
	size_t ymm = t->n + (size_t)n;
	char name[12];

	for (int i = 0; i < n; i++) {
		int dwarf = (wide ? 17 : 21) + i;

		if (!avx) {
			add_wide(t, "xmm", i, 16, SET_FLOAT, dwarf);
			continue;
		}
		snprintf(name, sizeof(name), "xmm%d", i);
		/* Its whole is yet to come, and sets offset and piece. */
		add(t, name, 16, SET_FLOAT, dwarf)->whole =
			(int16_t)(ymm + (size_t)i);
	}
	for (int i = 0; avx && i < n; i++) {
		struct lldb_reg *xmm = &t->regs[t->n - (size_t)n];

		add_wide(t, "ymm", i, 32, SET_VECTOR, wide ? 67 + i : -1);
		xmm->offset = t->regs[t->n - 1].offset;
		xmm->piece[0] = t->regs[t->n - 1].piece[0];
		xmm->n_pieces = 1;
	}
}

/* Beyond what lldb-server has. */
static void add_avx512(struct lldb_regs *t)
{
	char name[12];

	if (arch_reg(t->arch, "k0") < 0)
		return;
	for (int i = 0; i < 8; i++) {
		struct lldb_reg *r;

		snprintf(name, sizeof(name), "k%d", i);
		r = add(t, name, 8, SET_WIDE, 118 + i);
		add_piece(t, r, name, 8);
		place(t, r);
	}
	for (int i = 0; i < (t->arch->word == 8 ? 32 : 8); i++)
		add_wide(t, "zmm", i, 64, SET_WIDE, -1);
}

static struct lldb_regs *make(const struct arch *arch)
{
	struct lldb_regs *t = xcalloc(1, sizeof(*t));

	list_init(&t->node);
	t->arch = arch;
	t->regs = xcalloc(256, sizeof(*t->regs));
	if (arch->word == 8) {
		add_general(t, general64, ARRAY_SIZE(general64));
		add_parts(t, parts64, ARRAY_SIZE(parts64));
	} else {
		add_general(t, general32, ARRAY_SIZE(general32));
		add_parts(t, parts32, ARRAY_SIZE(parts32));
	}
	add_control(t);
	add_stack(t);
	add_vectors(t);
	t->sent = t->size;
	add_avx512(t);
	return t;
}

const struct lldb_regs *lldb_regs_of(struct session *s, const struct thread *th)
{
	struct lldb_regs *t;

	list_each(t, &s->lldb.tables, node) {
		if (t->arch == th->proc->arch)
			return t;
	}
	t = make(th->proc->arch);
	list_add(&s->lldb.tables, &t->node);
	return t;
}

void lldb_regs_free(struct lldb_regs *t)
{
	list_drop(&t->node);
	free(t->regs);
	free(t);
}

const struct lldb_reg *lldb_reg_find(const struct lldb_regs *t,
				     const char *generic)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->regs[i].generic && !strcmp(t->regs[i].generic, generic))
			return &t->regs[i];
	}
	return NULL;
}

/* --- values -------------------------------------------------------------- */

int lldb_reg_fetch(struct session *s, struct thread *th,
		   const struct lldb_reg *r, uint8_t *value)
{
	uint8_t raw[LLDB_REG_BYTES];

	memset(value, 0, r->bits / 8);
	for (unsigned i = 0; i < r->n_pieces; i++) {
		const struct lldb_piece *p = &r->piece[i];
		int e = target_reg_read(s->target, th, p->regno, raw);

		if (e < 0)
			return e;
		memcpy(value, raw + p->from, p->len);
		value += p->len;
	}
	return 0;
}

/*
 * The number of an interrupted system call, which the kernel would make again
 * (and set the pc back for it) when the thread goes on: a new pc is one to go
 * on from as it is. lldb leaves that to its server.
 */
static void forget_call(struct session *s, struct thread *th)
{
	const struct arch *a = th->proc->arch;
	int regno = arch_reg(a, a->word == 8 ? "orig_rax" : "orig_eax");
	const uint64_t none = UINT64_MAX;

	if (regno >= 0)
		target_reg_write(s->target, th, (unsigned)regno, &none);
}

int lldb_reg_store(struct session *s, struct thread *th,
		   const struct lldb_reg *r, const uint8_t *value)
{
	uint8_t raw[LLDB_REG_BYTES];

	for (unsigned i = 0; i < r->n_pieces; i++) {
		const struct lldb_piece *p = &r->piece[i];
		int e = target_reg_read(s->target, th, p->regno, raw);

		if (e < 0)
			return e;
		memcpy(raw + p->from, value, p->len);
		e = target_reg_write(s->target, th, p->regno, raw);
		if (e < 0)
			return e;
		value += p->len;
		if (p->regno == th->proc->arch->pc)
			forget_call(s, th);
	}
	return 0;
}
