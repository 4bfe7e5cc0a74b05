/*
 * Threads that were stopped with some of what was put before an instruction
 * done: they do not do it again.
 */
#include <string.h>

#include "translate/block.h"
#include "translate/collects.h"
#include "translate/conditions.h"
#include "translate/prints.h"
#include "translate/probes.h"
#include "translate/trap.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/rewind.h"

static struct behind *find(struct follow *f, uint8_t *image)
{
	uint64_t pc = *image_reg(image, IMAGE_RIP);
	uint64_t stack = *image_reg(image, IMAGE_RSP);

	for (unsigned i = 0; i < BEHIND_MAX; i++) {
		if (f->behind[i].puts && f->behind[i].pc == pc &&
		    f->behind[i].stack == stack)
			return &f->behind[i];
	}
	return NULL;
}

void follow_note_puts(struct follow *f, uint8_t *image, unsigned puts)
{
	struct behind *b = find(f, image);

	f->noted = NULL;
	if (!b && !puts)
		return;
	if (!b)
		b = &f->behind[f->n_behind++ % BEHIND_MAX];
	f->noted = b;
	b->pc = *image_reg(image, IMAGE_RIP);
	b->stack = *image_reg(image, IMAGE_RSP);
	b->puts = (uint16_t)puts;
}

void follow_keep_puts(struct follow *f, uint8_t *image)
{
	f->noted = find(f, image);
}

uint16_t follow_puts(struct follow *f, uint8_t *image)
{
	struct behind *b = find(f, image);
	uint16_t puts = b ? b->puts & ~PUTS_PASSED : 0;

	if (b)
		b->puts = 0;
	return puts;
}

void follow_pass(struct follow *f, struct point_code *code)
{
	if (code)
		code->refs++;
	point_code_unref(f->passed);
	f->passed = code;
}

/* Could what it has done be anything but what a logpoint printed? */
static bool is_alone(const struct space *sp, uint64_t pc)
{
	return !sp->tr->transform && !probe_is_at(sp, pc) &&
	       (!collector_is_at(sp, pc) || prints_alone_at(sp, pc));
}

/* By translated code. It is not known whether the filter has counted. */
static void note_printed(struct thread *th, const struct point *pt)
{
	th->counts = false;
	thread_note_logged(th, pt, pt->code);
}

/* By the server, or by translated code, which that place has had before. */
void follow_note_logged(struct thread *th, struct follow *f, uint8_t *image,
			const struct point *pt)
{
	const struct behind *b = find(f, image);

	if (b && b->puts & PUTS_PASSED)
		thread_note_logged(th, pt, f->passed);
	else if (b && is_alone(f->space, pt->addr))
		note_printed(th, pt);
}

/* Who has come by has met all that is still there: it has printed or counted,
 * or the server has looked. */
static void note_met(struct follow *f, struct thread *low, uint8_t *image,
		     const struct point *pt)
{
	const struct behind *b = find(f, image);
	const struct space *sp = f->space;

	if (b && b->puts & PUTS_PASSED)
		thread_note_met(low, pt, f->passed);
	else if (b && is_alone(sp, pt->addr) &&
		 (prints_at(sp, pt->addr) || conditions_at(sp, pt->addr)))
		thread_note_met(low, pt, pt->code);
	else if (b && is_alone(sp, pt->addr))
		note_printed(low, pt);
}

void follow_goes_natively(struct translator *tr, struct thread *th)
{
	struct follow *f = follow_of(th);
	struct thread *low = lower_thread(th);
	uint8_t *image = follow_image(tr, low, false);
	const struct point *pt;

	pt = image ? process_point(th->proc, *image_reg(image, IMAGE_RIP))
		   : NULL;
	thread_hand_logged(low, th);
	if (pt && pt->code)
		note_met(f, low, image, pt);
	follow_forget_puts(f, true);
}

void follow_forget_puts(struct follow *f, bool all)
{
	if (all)
		memset(f->behind, 0, sizeof(f->behind));
	if (f->noted)
		f->noted->puts = 0;
	f->noted = NULL;
}

struct block *follow_block_behind(struct translator *tr, struct space *sp,
				  const struct compile_start *start)
{
	struct block *b = sp->worn ? NULL : compile_behind(sp, start);

	if (b || !process_make_room(tr, sp, start->pc))
		return b;
	return compile_behind(sp, start);
}

bool follow_meets_point(const struct follow *f, uint8_t *image)
{
	uint64_t pc = *image_reg(image, IMAGE_RIP);

	return process_has_point(f->space, pc) &&
	       !conditions_at(f->space, pc) && !prints_at(f->space, pc);
}

/* By the server, and now it is translated code that would. */
static bool has_printed(const struct follow *f, const struct behind *b)
{
	const struct point *pt = process_point_of(f->space, b->pc);

	return b->puts & PUTS_PASSED && pt && prints_alone_at(f->space, b->pc) &&
	       point_code_logs_as(pt->code, f->passed);
}

struct block *follow_block_for(struct translator *tr, struct follow *f,
			       uint8_t *image)
{
	struct compile_start start = { .pc = *image_reg(image, IMAGE_RIP) };
	const struct behind *b = find(f, image);
	bool printed;

	if (!b || follow_meets_point(f, image))
		return follow_block(tr, f->space, start.pc);
	printed = has_printed(f, b);
	start.puts = follow_puts(f, image) | printed;
	return follow_block_behind(tr, f->space, &start);
}
