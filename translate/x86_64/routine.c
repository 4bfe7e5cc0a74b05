/*
 * Where indirect branches find what a direct-mapped table did not have: a
 * routine for returns, and one for jumps and calls. And one where excluded
 * calls return to.
 *
 *	return_fix:	mov	-8(%rsp), %rcx		the address taken
 *			mov	%rcx, %gs:TARGET
 *	indirect_fix:	mov	%gs:TARGET, %rcx
 *			rax, flags and rdx to the window
 *			rcx is looked up in the big table
 *	hit:		the direct-mapped slot is rewritten
 *			all but rcx restored
 *			jmp	*%gs:LANDING		which verifies once more
 *	miss:		all but rcx restored
 *			int3				in a stub
 *
 * rcx is in the window when they begin. What is saved stays there to the end,
 * so that from then on one rule rewinds a thread from every boundary.
 */
#include "translate/watchpoints.h"
#include "translate/x86_64/emit.h"
#include "translate/x86_64/window.h"

#define SAVED (REWIND_RCX | REWIND_RAX | REWIND_RDX | REWIND_FLAGS)

/* An instruction, and how a thread before it is rewound. */
#define STEP(w, how, text) (w_mark(w, how, 0), w_code(w, text))

static void save(struct writer *w)
{
	const unsigned how = REWIND_TARGET | REWIND_RCX;

	w_spill_as(w, how, RAX, WIN_RAX);
	w_spill_flags(w, how);
	w_spill_as(w, how | REWIND_RAX, RDX, WIN_RDX);
}

/* All but rcx. */
static void restore(struct writer *w)
{
	const unsigned how = REWIND_TARGET | SAVED;

	w_fill_as(w, how, RDX, WIN_RDX);
	w_fill_flags(w, how);
	w_fill_as(w, how, RAX, WIN_RAX);
}

/* mov %gs:table(%rax), %rdx */
static void load_pair(struct writer *w, uint32_t table)
{
	STEP(w, REWIND_TARGET | SAVED, "\x65\x48\x8b\x90");
	w_num(w, table, 4);
}

static uint8_t *short_jump(struct writer *w, uint8_t opcode)
{
	w_mark(w, REWIND_TARGET | SAVED, 0);
	return w_short(w, opcode);
}

/* mov %rdx, %gs:table(,%rcx,8) */
static void store_slot(struct writer *w, uint32_t table)
{
	STEP(w, REWIND_TARGET | SAVED, "\x65\x48\x89\x14\xcd");
	w_num(w, table, 4);
}

static void found(struct writer *w, uint32_t direct, uint32_t all)
{
	const unsigned how = REWIND_TARGET | SAVED;

	load_pair(w, all + 8);
	STEP(w, how, "\x0f\xb7\xc9"); /* movzwl %cx, %ecx */
	store_slot(w, direct);
	w_mark(w, how, 0);
	w_spill(w, RDX, WIN_LANDING);
	restore(w);
	w_mark(w, how, 0);
	w_jmp_slot(w, WIN_LANDING);
}

static void look_up(struct writer *w, uint32_t direct, uint32_t all,
		    enum stub_kind miss)
{
	const unsigned how = REWIND_TARGET | SAVED;
	struct stub stub = {
		.kind = (uint8_t)miss,
		.rewind = REWIND_TARGET | REWIND_RCX,
	};
	uint8_t *loop, *hit, *free_pair, *again;

	save(w);
	STEP(w, how, "\x89\xc8"); /* mov %ecx, %eax */
	STEP(w, how, "\x25");	  /* and: table_home() ... */
	w_num(w, (TAB_ALL - 1) << 3, 4);
	STEP(w, how, "\xd1\xe0"); /* shl $1, %eax: ... of 16 bytes each */
	loop = w->s->e.code + w->s->e.len;
	load_pair(w, all);
	STEP(w, how, "\x48\x85\xd2"); /* test %rdx, %rdx */
	free_pair = short_jump(w, 0x74);
	STEP(w, how, "\x48\x39\xca"); /* cmp %rcx, %rdx */
	hit = short_jump(w, 0x74);
	STEP(w, how, "\x83\xc0\x10"); /* add $16, %eax */
	STEP(w, how, "\x25");	      /* and */
	w_num(w, TAB_ALL * 16 - 1, 4);
	again = short_jump(w, 0xeb);
	again[-1] = (uint8_t)(loop - again);
	w_lands(w, free_pair);
	restore(w);
	w_mark(w, how, 0);
	w_jmp_at(w, w_stub(w, &stub));
	w_lands(w, hit);
	found(w, direct, all);
}

/*
 * mov %gs:RETURNS, %rcx; mov %rcx, -8(%rsp); movq $0, %gs:EXCLUDED: from there
 * on it is a return like any.
 */
static uint32_t excluded_return(struct writer *w)
{
	uint32_t at = stream_at(w->s);

	w_mark(w, REWIND_EXCLUDED, 0);
	w_spill(w, RCX, WIN_RCX);
	w_mark(w, REWIND_EXCLUDED | REWIND_RCX, 0);
	w_fill(w, RCX, WIN_RETURNS);
	STEP(w, REWIND_EXCLUDED | REWIND_RCX, "\x48\x89\x4c\x24\xf8");
	STEP(w, REWIND_RETURN | REWIND_RCX, "\x65\x48\xc7\x04\x25");
	w_num(w, WIN_EXCLUDED, 4);
	w_num(w, 0, 4);
	STEP(w, REWIND_RETURN | REWIND_RCX, "\x0f\xb7\xc9");
	w_mark(w, REWIND_RETURN | REWIND_RCX, 0);
	w_jmp_table(w, TAB_RETURNS);
	return at;
}

/*
 * At the end of a chunk of the log: on to the next, if there is one. It goes
 * back to where the window says; the thread's pc is there too.
 *
 * 1:	movzbl	%gs:RING + 2, %ecx
 *	mov	%gs:CHUNKS(,%rcx,8), %rcx
 *	jrcxz	2f
 *	mov	%rcx, %gs:RING
 *	jmp	*%gs:LANDING
 * 2:	jmp	a stub, which goes on at 1
 */
static void turn_routine(struct writer *w)
{
	const unsigned how = REWIND_TARGET | REWIND_RCX;
	struct stub stub = { .kind = STUB_DRAIN, .rewind = (uint8_t)how };
	uint8_t *none;

	w->rg->turn = stub.arg = stream_at(w->s);
	STEP(w, how, "\x65\x0f\xb6\x0c\x25");
	w_num(w, WIN_RING + 2, 4);
	STEP(w, how, "\x65\x48\x8b\x0c\xcd");
	w_num(w, WIN_CHUNKS, 4);
	w_mark(w, how, 0);
	w_code(w, "\xe3\x00");
	none = w->s->e.code + w->s->e.len;
	w_mark(w, how, 0);
	w_spill(w, RCX, WIN_RING);
	w->rg->turn_on = stream_at(w->s);
	w_mark(w, how, 0);
	w_jmp_slot(w, WIN_LANDING);
	w_lands(w, none);
	w_mark(w, how, 0);
	w_jmp_at(w, w_stub(w, &stub));
	w->rg->turned = stream_at(w->s);
}

void emit_routines(struct region *rg)
{
	struct writer w = { .rg = rg, .s = &rg->cold };

	rg->excluded_return = excluded_return(&w);
	turn_routine(&w);
	rg->return_fix = stream_at(w.s);
	STEP(&w, REWIND_RETURN | REWIND_RCX, "\x48\x8b\x4c\x24\xf8");
	w_mark(&w, REWIND_RETURN | REWIND_RCX, 0);
	w_spill(&w, RCX, WIN_TARGET);
	look_up(&w, TAB_RETURNS, TAB_RETURNS_ALL, STUB_RETURN);
	rg->indirect_fix = stream_at(w.s);
	w_mark(&w, REWIND_TARGET | REWIND_RCX, 0);
	w_fill(&w, RCX, WIN_TARGET);
	look_up(&w, TAB_INDIRECT, TAB_INDIRECT_ALL, STUB_INDIRECT);
	check_routine(rg);
	fold_routine(rg);
}
