/*
 * Threads that were stopped with some of what was put before an instruction
 * done: they do not do it again.
 */
#include "translate/block.h"
#include "translate/trap.h"
#include "translate/x86_64/compile.h"
#include "translate/x86_64/rewind.h"

static bool is_behind(const struct follow *f, uint8_t *image)
{
	return f->behind.puts && f->behind.pc == *image_reg(image, IMAGE_RIP) &&
	       f->behind.stack == *image_reg(image, IMAGE_RSP);
}

/* It may have to go elsewhere first, as to a signal's handler, and return. */
void follow_note_puts(struct follow *f, uint8_t *image, unsigned puts)
{
	if (!puts && !is_behind(f, image))
		return;
	f->behind.pc = *image_reg(image, IMAGE_RIP);
	f->behind.stack = *image_reg(image, IMAGE_RSP);
	f->behind.puts = (uint16_t)puts;
}

uint16_t follow_puts(struct follow *f, uint8_t *image)
{
	uint16_t puts = is_behind(f, image) ? f->behind.puts : 0;

	if (puts)
		f->behind.puts = 0;
	return puts;
}

struct block *follow_block_behind(struct translator *tr, struct space *sp,
				  const struct compile_start *start)
{
	struct block *b = sp->worn ? NULL : compile_behind(sp, start);

	if (b || !process_make_room(tr, sp, start->pc))
		return b;
	return compile_behind(sp, start);
}

struct block *follow_block_for(struct translator *tr, struct follow *f,
			       uint8_t *image)
{
	struct compile_start start = { .pc = *image_reg(image, IMAGE_RIP) };

	if (!is_behind(f, image) || process_has_point(f->space, start.pc))
		return follow_block(tr, f->space, start.pc);
	start.puts = follow_puts(f, image);
	return follow_block_behind(tr, f->space, &start);
}
