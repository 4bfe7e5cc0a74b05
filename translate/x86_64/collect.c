/*
 * The code that collects. A record is written behind what is written already,
 * and counts when head has moved past it; a thread that leaves the cache before
 * that begins anew.
 *
 *		save rcx, rax, rdx, flags
 *		the condition; else go out
 *	retry:	mov	%gs:HEAD, %rcx
 *		lea	size(%rcx), %rax
 *		cmp	%gs:LIMIT, %rax
 *		ja	full
 *		rcx becomes the place in the ring, %gs:RECORD
 *		the parts
 *		addq	$size, %gs:HEAD
 *	out:	restore
 *
 * In the cold stream: full, where the thread stops until there is room and goes
 * on at retry, or counts what is lost and goes out; and slow, a callout, for
 * when the condition fails, or memory may be there in part.
 */
#include "translate/collects.h"

#include <stddef.h>
#include <x86intrin.h>

#include "agent/program.h"
#include "translate/callback.h"
#include "translate/layer.h"
#include "translate/x86_64/compiler.h"
#include "translate/x86_64/expression.h"
#include "translate/x86_64/window.h"

#define UNROLLED 64u /* bytes that are copied without a loop */

uint64_t collect_time(void)
{
	return __rdtsc();
}

/* --- instructions --------------------------------------------------------- */

struct collecting {
	struct writer *w;
	const struct collector *what;
	unsigned part; /* the next one's number */
	uint32_t slow; /* offset in the region */
};

static void w_num_at(struct writer *w, uint32_t disp)
{
	w_num(w, disp, 4);
}

/* An instruction with %gs:slot for its operand, of which text is what comes
 * before that. */
#define OP_SLOT(w, text, slot) (OP(w, text), w_num(w, slot, 4))

/* mov %rax, at(%rcx) */
static void store(struct writer *w, uint32_t at)
{
	OP(w, "\x48\x89\x81");
	w_num_at(w, at);
}

/* movl $value, at(%rcx): at is small. */
static void store_number(struct writer *w, uint8_t at, uint32_t value)
{
	OP(w, "\xc7\x41");
	w_num(w, at, 1);
	w_num(w, value, 4);
}

/* orl $bit, at(%rcx): 7 bytes. */
static void set_bit(struct writer *w, uint8_t at, unsigned part)
{
	OP(w, "\x81\x49");
	w_num(w, at, 1);
	w_num(w, UINT32_C(1) << part, 4);
}

#define FAIL_BYTES 16 /* of fail_part() */

/*
 * The part is done; who comes by its failures, which lead here, says so, by so
 * many bytes of code. rcx is the record.
 */
static void end_part(struct collecting *g, unsigned part, unsigned bytes)
{
	set_bit(g->w, offsetof(struct collect_record, done), part);
	OP(g->w, "\xeb"); /* jmp, over the rest */
	w_num(g->w, bytes, 1);
}

static void fail_part(struct collecting *g, unsigned part)
{
	w_fill_as(g->w, SAVED, RCX, WIN_COLLECT_RECORD);
	set_bit(g->w, offsetof(struct collect_record, failed), part);
}

/* --- registers ------------------------------------------------------------ */

/* The window has them as lahf and seto left them. */
static void load_flags(struct writer *w)
{
	w_fill_as(w, SAVED, RAX, WIN_FLAGS);
	OP(w, "\x0f\xb6\xd4");	       /* movzbl %ah, %edx */
	OP(w, "\x0f\xb6\xc0");	       /* movzbl %al, %eax */
	OP(w, "\xc1\xe0\x0b");	       /* shl $11, %eax */
	OP(w, "\x09\xd0");	       /* or %edx, %eax */
	OP(w, "\x0d\x02\x02\x00\x00"); /* or $0x202, %eax */
}

static void load_number(struct writer *w, uint64_t v)
{
	OP(w, "\x48\xb8"); /* movabs */
	w_num(w, v, 8);
}

/* The register of gdb's number n, to rax. */
static void load(struct writer *w, unsigned n)
{
	if (n == IMAGE_RIP)
		load_number(w, w->pc);
	else if (n == IMAGE_FLAGS)
		load_flags(w);
	else
		expression_register(w, n);
}

static void write_registers(struct collecting *g, const struct collect_item *i)
{
	uint32_t at = g->what->places[g->part++].at;

	for (unsigned n = 0; n <= IMAGE_FLAGS; n++) {
		if (!(i->registers >> n & 1))
			continue;
		load(g->w, n);
		store(g->w, at);
		at += 8;
	}
}

/* --- memory --------------------------------------------------------------- */

static void may_fault(struct collecting *g, uint32_t *first)
{
	if (!*first)
		*first = g->w->rg->n_faults + 1;
	region_fault(g->w->rg, stream_at(g->w->s), 0);
}

/* So many bytes, 8, 4, 2 or 1, from off(%rdx) to at(%rcx). */
static void move(struct collecting *g, unsigned size, uint8_t off, uint32_t at,
		 uint32_t *first)
{
	static const struct {
		uint8_t n, load[3], store[3];
	} forms[] = {
		[1] = { 3, { 0x0f, 0xb6, 0x42 }, { 0x88, 0x81 } },
		[2] = { 3, { 0x0f, 0xb7, 0x42 }, { 0x66, 0x89, 0x81 } },
		[4] = { 2, { 0x8b, 0x42 }, { 0x89, 0x81 } },
		[8] = { 3, { 0x48, 0x8b, 0x42 }, { 0x48, 0x89, 0x81 } },
	};
	const unsigned stores = size == 1 || size == 4 ? 2 : 3;

	may_fault(g, first);
	w_mark(g->w, SAVED, 0);
	w_bytes(g->w, forms[size].load, forms[size].n);
	w_num(g->w, off, 1);
	w_mark(g->w, SAVED, 0);
	w_bytes(g->w, forms[size].store, stores);
	w_num_at(g->w, at);
}

/* length < 128 */
static void move_all(struct collecting *g, uint32_t length, uint32_t at,
		     uint32_t *first)
{
	uint32_t done = 0;

	for (unsigned size = 8; size; size /= 2) {
		for (; length - done >= size; done += size)
			move(g, size, (uint8_t)done, at + done, first);
	}
}

/*
 *	lea	length(%rdx), %rax
 *	mov	%rax, %gs:END
 *	add	$at, %rcx
 * 1:	mov	(%rdx), %rax
 *	mov	%rax, (%rcx)
 *	add	$8, %rdx
 *	add	$8, %rcx
 *	cmp	%gs:END, %rdx
 *	jne	1b
 */
static void move_many(struct collecting *g, uint32_t length, uint32_t at,
		      uint32_t *first)
{
	struct writer *w = g->w;

	OP(w, "\x48\x8d\x82");
	w_num(w, length, 4);
	w_spill_as(w, SAVED, RAX, WIN_COLLECT_END);
	OP(w, "\x48\x81\xc1");
	w_num_at(w, at);
	may_fault(g, first);
	OP(w, "\x48\x8b\x02");
	OP(w, "\x48\x89\x01");
	OP(w, "\x48\x83\xc2\x08");
	OP(w, "\x48\x83\xc1\x08");
	OP_SLOT(w, "\x65\x48\x3b\x14\x25", WIN_COLLECT_END);
	OP(w, "\x75\xe7");
}

/* Those that were noted since first lead here. */
static void faults_here(struct collecting *g, uint32_t first)
{
	struct region *rg = g->w->rg;

	for (uint32_t i = first - 1; first && i < rg->n_faults; i++)
		rg->faults[i].to = stream_at(g->w->s);
}

/* What lies on one page is there or not. Of more than that there may be a part,
 * which is the server's to find. */
static void look_where(struct collecting *g, const struct collect_place *p)
{
	struct writer *w = g->w;

	w_fill_as(w, SAVED, RCX, WIN_COLLECT_RECORD);
	OP(w, "\x48\x8b\x81"); /* mov at(%rcx), %rax */
	w_num_at(w, p->at);
	OP(w, "\x25\xff\x0f\x00\x00"); /* and $4095, %eax */
	OP(w, "\x3d");			 /* cmp $, %eax */
	w_num(w, 4096 - p->length, 4);
	w_mark(w, SAVED, 0);
	w_jcc_at(w, COND_G, g->slow);
}

#define WHERE_BYTES 32 /* of that */

/* The address is in rax. */
static void copy(struct collecting *g, unsigned part)
{
	const struct collect_place *p = &g->what->places[part];
	uint32_t whole = p->length > UNROLLED ? p->length & ~7u : 0, first = 0;

	w_fill_as(g->w, SAVED, RCX, WIN_COLLECT_RECORD);
	store(g->w, p->at);
	OP(g->w, "\x48\x89\xc2"); /* mov %rax, %rdx */
	if (whole)
		move_many(g, whole, p->at + 8, &first);
	move_all(g, p->length - whole, whole ? 0 : p->at + 8, &first);
	if (whole)
		w_fill_as(g->w, SAVED, RCX, WIN_COLLECT_RECORD);
	end_part(g, part, FAIL_BYTES + WHERE_BYTES);
	faults_here(g, first);
	look_where(g, p);
	fail_part(g, part);
}

static void write_memory(struct collecting *g, const struct collect_item *i)
{
	struct writer *w = g->w;

	if (i->base >= 0)
		load(w, (unsigned)i->base);
	else
		load_number(w, (uint64_t)i->offset);
	if (i->base >= 0 && i->offset) {
		OP(w, "\x48\xba"); /* movabs $, %rdx */
		w_num(w, (uint64_t)i->offset, 8);
		OP(w, "\x48\x01\xd0"); /* add %rdx, %rax */
	}
	copy(g, g->part++);
}

/* --- expressions ---------------------------------------------------------- */

static void write_value(struct collecting *g, const struct collect_item *i)
{
	unsigned part = g->part++;
	struct expression e;

	expression_begin(&e, g->w, i->code);
	expression_code(&e);
	expression_ends_here(&e);
	w_fill_as(g->w, SAVED, RCX, WIN_COLLECT_RECORD);
	store(g->w, g->what->places[part].at);
	end_part(g, part, FAIL_BYTES);
	expression_fails_here(&e);
	fail_part(g, part);
}

/*
 * The string that the value there points to, to at(%rcx). One that is too long,
 * or cannot be read, is the server's to print.
 *
 *	mov	%gs:value, %rdx
 *	lea	COLLECT_STRING(%rdx), %rax
 *	mov	%rax, %gs:END
 *	add	$at, %rcx
 * 1:	movzbl	(%rdx), %eax
 *	mov	%al, (%rcx)
 *	add	$1, %rdx
 *	add	$1, %rcx
 *	test	%eax, %eax
 *	je	2f
 *	cmp	%gs:END, %rdx
 *	jne	1b
 *	jmp	slow
 * 2:	mov	%gs:RECORD, %rcx
 */
static void copy_string(struct collecting *g, uint32_t value, uint32_t at)
{
	struct writer *w = g->w;

	w_fill_as(w, SAVED, RDX, value);
	OP(w, "\x48\x8d\x82");
	w_num(w, COLLECT_STRING, 4);
	w_spill_as(w, SAVED, RAX, WIN_COLLECT_END);
	OP(w, "\x48\x81\xc1");
	w_num_at(w, at);
	region_fault(w->rg, stream_at(w->s), g->slow);
	OP(w, "\x0f\xb6\x02");
	OP(w, "\x88\x01");
	OP(w, "\x48\x83\xc2\x01");
	OP(w, "\x48\x83\xc1\x01");
	OP(w, "\x85\xc0");
	OP(w, "\x74\x10");
	OP_SLOT(w, "\x65\x48\x3b\x14\x25", WIN_COLLECT_END);
	OP(w, "\x75\xe4");
	w_mark(w, SAVED, 0);
	w_jmp_at(w, g->slow);
	w_fill_as(w, SAVED, RCX, WIN_COLLECT_RECORD);
}

/* The last one first, as they lie there, and the strings. */
static void arguments(struct collecting *g, unsigned part, size_t n)
{
	const struct collect_place *p = &g->what->places[part];
	const struct ax_program *code = g->what->spec.items[p->item].code;
	const struct ax_format *f = code->formats[code->insns[n].imm];
	uint32_t args = format_args(f), at = p->at + 8 * args;
	uint32_t first = code->insns[n].depth - 2u - args;

	w_fill_as(g->w, SAVED, RCX, WIN_COLLECT_RECORD);
	for (uint32_t i = 0; i < args; i++) {
		w_fill_as(g->w, SAVED, RAX, WIN_VALUES + 8 * (first + i));
		store(g->w, p->at + 8 * i);
	}
	for (uint32_t i = 0; i < args; i++) {
		if (!format_reads(f, i))
			continue;
		copy_string(g, WIN_VALUES + 8 * (first + args - 1 - i), at);
		at += COLLECT_STRING;
	}
	set_bit(g->w, offsetof(struct collect_record, done), part);
}

static void trace(void *user, size_t n)
{
	struct collecting *g = user;

	const struct collect_place *p = &g->what->places[g->part];

	if (p->insn != n)
		return;
	if (p->has_address)
		copy(g, g->part++);
	else
		arguments(g, g->part++, n);
}

/* Its last part is that it failed. */
static void write_traces(struct collecting *g, const struct collect_item *i)
{
	const struct expression_tracer tracer = { trace, g };
	struct expression e;

	expression_begin(&e, g->w, i->code);
	e.tracer = &tracer;
	expression_code(&e);
	expression_ends_here(&e);
	OP(g->w, "\xeb\x10");
	expression_fails_here(&e);
	fail_part(g, g->part++);
	w_fill_as(g->w, SAVED, RCX, WIN_COLLECT_RECORD);
}

static void write_item(struct collecting *g, const struct collect_item *i)
{
	switch (i->what) {
	case COLLECT_REGISTERS:
		write_registers(g, i);
		break;
	case COLLECT_MEMORY:
		write_memory(g, i);
		break;
	case COLLECT_VALUE:
		write_value(g, i);
		break;
	default:
		write_traces(g, i);
	}
}

/* --- a hit ---------------------------------------------------------------- */

/* The callout, for a thread within; what it is followed by is set later. */
static struct callout *write_slow(struct collecting *g)
{
	const struct callout k = { .fn = collector_met,
				   .user = (void *)(uintptr_t)g->what };
	struct writer cold = w_cold(g->w);
	struct stub stub = { .pc = cold.pc, .kind = STUB_CALLOUT };

	g->slow = stream_at(cold.s);
	expression_restore(&cold);
	w_fill_as(&cold, SAVED, RCX, WIN_RCX);
	w_mark(&cold, 0, 0);
	stub.arg = callout_new(cold.rg, &k);
	w_jmp_at(&cold, w_stub(&cold, &stub));
	return &cold.rg->callouts[stub.arg];
}

/* Which parts are there without more ado. */
static uint32_t always(const struct collector *c)
{
	uint32_t parts = 0;

	for (unsigned i = 0; i < c->n_places; i++) {
		const struct collect_place *p = &c->places[i];

		if (c->spec.items[p->item].what == COLLECT_REGISTERS)
			parts |= UINT32_C(1) << i;
	}
	return parts;
}

/* A program may have forbidden itself to read the counter: prctl(2),
 * PR_SET_TSC. */
static void write_time(struct collecting *g)
{
	region_fault(g->w->rg, stream_at(g->w->s), g->slow);
	OP(g->w, "\x0f\x31");	      /* rdtsc */
	OP(g->w, "\x48\xc1\xe2\x20"); /* shl $32, %rdx */
	OP(g->w, "\x48\x09\xd0");     /* or %rdx, %rax */
	store(g->w, offsetof(struct collect_record, time));
}

/* Returns the end of the displacement of what leads to where it is full. */
static uint32_t write_room(struct collecting *g)
{
	struct writer *w = g->w;
	uint32_t full;

	w_fill_as(w, SAVED, RCX, WIN_COLLECT_HEAD);
	OP(w, "\x48\x8d\x81"); /* lea size(%rcx), %rax */
	w_num(w, g->what->size, 4);
	OP_SLOT(w, "\x65\x48\x3b\x04\x25", WIN_COLLECT_LIMIT);
	OP(w, "\x0f\x87"); /* ja */
	w_num(w, 0, 4);
	full = stream_at(w->s);
	OP(w, "\x81\xe1"); /* and $, %ecx */
	w_num(w, COLLECT_RING - 1, 4);
	OP_SLOT(w, "\x65\x48\x03\x0c\x25", WIN_COLLECT_RING);
	w_spill_as(w, SAVED, RCX, WIN_COLLECT_RECORD);
	return full;
}

static void write_head(struct collecting *g)
{
	struct writer *w = g->w;

	store_number(w, offsetof(struct collect_record, number),
		     (uint32_t)g->what->number);
	store_number(w, offsetof(struct collect_record, size), g->what->size);
	store_number(w, offsetof(struct collect_record, done), always(g->what));
	store_number(w, offsetof(struct collect_record, failed), 0);
	write_time(g);
}

/* Where the thread stops, and then tries again; or goes on. */
static void write_full(struct collecting *g, uint32_t from, uint32_t retry,
		       uint32_t out, uint16_t done)
{
	struct writer cold = w_cold(g->w);
	struct stub stub = {
		.pc = cold.pc,
		.kind = STUB_COLLECT,
		.rewind = SAVED,
		.arg = retry,
	};

	w_patch(&cold, from, stream_at(cold.s));
	if (!g->what->spec.loses) {
		w_mark(&cold, SAVED, 0);
		w_jmp_at(&cold, w_stub(&cold, &stub));
		return;
	}
	OP_SLOT(&cold, "\x65\x48\xff\x04\x25", WIN_COLLECT_LOST); /* incq */
	cold.puts = done;
	w_mark(&cold, SAVED, 0);
	w_jmp_at(&cold, out);
}

/* Leads out where the condition does not hold: the end of that displacement. */
static uint32_t write_when(struct collecting *g)
{
	struct expression e;

	if (!g->what->spec.when)
		return 0;
	expression_begin(&e, g->w, g->what->spec.when);
	expression_code(&e);
	expression_ends_here(&e);
	expression_fails_at(&e, g->slow);
	OP(g->w, "\x48\x85\xc0"); /* test %rax, %rax */
	OP(g->w, "\x0f\x84");	  /* je */
	w_num(g->w, 0, 4);
	return stream_at(g->w->s);
}

static void write_parts(struct collecting *g)
{
	for (unsigned i = 0; i < g->what->spec.n_items; i++)
		write_item(g, &g->what->spec.items[i]);
}

void collector_write(struct compiler *c, struct collector *what)
{
	struct writer *w = &c->w;
	struct collecting g = { .w = w, .what = what };
	uint32_t skipped, retry, full;
	struct writer before;
	struct callout *slow;

	if (!put_begin(c))
		return;
	slow = write_slow(&g);
	expression_save(w);
	skipped = write_when(&g);
	retry = stream_at(w->s);
	full = write_room(&g);
	write_head(&g);
	write_parts(&g);
	OP_SLOT(w, "\x65\x48\x81\x04\x25", WIN_COLLECT_HEAD); /* addq */
	w_num(w, what->size, 4);
	before = *w;
	put_end(c);
	g.w = &before;
	write_full(&g, full, retry, stream_at(w->s), c->seq);
	if (skipped)
		w_patch(w, skipped, stream_at(w->s));
	expression_restore(w);
	w_fill_as(w, SAVED, RCX, WIN_RCX);
	slow->at = stream_at(w->s);
}

void collectors_write(struct compiler *c, uint64_t pc)
{
	struct collector *what = NULL;
	size_t bytes = 0;

	while ((what = collector_next(c->sp, pc, what))) {
		if (c->at_point) {
			/* Breakpoints come behind: it was collected. */
			put_begin(c);
			put_end(c);
			continue;
		}
		bytes += what->compiled ? collect_size(what) : 0;
		if (what->compiled && bytes <= COLLECT_CODE_MOST)
			collector_write(c, what);
		else
			callout_write(c, collector_met, what);
	}
}
