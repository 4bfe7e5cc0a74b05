/*
 * Everything here runs after we have died: see struct orphan_ops.
 *
 * Until a thread is rewound it runs on in the cache. A stub that it comes to
 * sees that we are dead, and goes round in a circle; so does a thread that is
 * let go behind a trap which we had seen. One that is about to make another
 * thread or process would have it use the same window, so those calls are made
 * to go by way of a stub.
 *
 * A signal may come meanwhile, and then the place in the cache is in the frame
 * on the handler's stack. The handler runs its original code, with our base of
 * gs, and is recognized by that. Excluded code in the cheap form is, too.
 */
#include "translate/x86_64/orphan.h"

#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/lifeline.h"
#include "base/mem.h"
#include "translate/trail.h"
#include "translate/x86_64/rewind.h"
#include "translate/x86_64/window.h"

#define FRAME_SEARCH 65536u /* bytes from the stack pointer on */
#define CS_64	     0x33

/* The words of struct sigcontext, from its beginning, in the kernel's order;
 * each is that register of the g packet. */
static const uint8_t frame_order[18] = {
	8,	   9,		10, 11,
	12,	   13,		14, 15, /* r8 to r15 */
	5,	   4,		6,  1,
	3,	   0,		2,  7, /* rdi rsi rbp rbx rdx rax rcx rsp */
	IMAGE_RIP, IMAGE_FLAGS,
};
enum { FRAME_RIP = 16, FRAME_FLAGS = 17, FRAME_CS = 18 };

static bool read_all(const struct orphan_memory *m, uint64_t addr, void *buf,
		     size_t len)
{
	return m->read(m->user, addr, buf, len) == (ssize_t)len;
}

/* Is our cache there? The process may have executed another program. */
static bool is_ours(const struct trails *all, const struct orphan_memory *m)
{
	uint64_t at = all->tables_addr + TAB_LIFE - WIN_PAGE +
		      offsetof(struct lifeline, word);
	uint32_t word;

	return read_all(m, at, &word, sizeof(word)) && word == LIFELINE_DEAD;
}

static bool is_stop(const void *data, uint64_t pc)
{
	const struct trail *tl = trails_at(data, pc);

	return tl && trail_is_stopped(tl, pc);
}

static void prepare(const void *data, const struct orphan_memory *m)
{
	static const uint16_t births[] = { SYS_clone, SYS_clone3, SYS_fork,
					   SYS_vfork };
	const struct trails *all = data;
	uint64_t table = all->tables_addr + TAB_SYSCALLS - WIN_PAGE;
	const uint8_t watched = 1;

	for (size_t i = 0; i < ARRAY_SIZE(births) && is_ours(all, m); i++)
		m->write(m->user, table + births[i], &watched, 1);
}

/* --- the thread ---------------------------------------------------------- */

static bool has_window(const struct trails *all, uint64_t gs_base)
{
	for (uint32_t i = 0; gs_base && i < all->n_windows; i++) {
		if (all->windows[i] == gs_base)
			return true;
	}
	return false;
}

/* Behind the trap that a dropped block begins with: there is no other byte of
 * that value at a boundary. */
static bool is_behind_trap(const struct trail *tl, uint64_t pc,
			   const struct orphan_memory *m)
{
	uint32_t at = (uint32_t)(pc - tl->addr);
	uint8_t byte;

	return !trail_stub(tl, at) && trail_has_mark(tl, at - 1) &&
	       read_all(m, pc - 1, &byte, 1) && byte == 0xcc;
}

static bool rewind_at(const struct trails *all, const uint8_t *window,
		      uint8_t *image, const struct orphan_memory *m)
{
	uint64_t pc = *image_reg(image, IMAGE_RIP);
	const struct trail *tl = trails_at(all, pc);
	const struct stub *stub;

	return tl && !tl->unseen &&
	       trail_rewind(tl, window, image, is_behind_trap(tl, pc, m), m,
			    &stub) == 0;
}

/* --- a handler's frame --------------------------------------------------- */

static bool is_frame(const struct trails *all, const uint64_t *words)
{
	const struct trail *tl = trails_at(all, words[FRAME_RIP]);

	return tl && (words[FRAME_CS] & 0xffff) == CS_64 &&
	       !(words[FRAME_FLAGS] >> 22) && words[FRAME_FLAGS] & 2;
}

static bool rewind_frame(const struct trails *all, const uint8_t *window,
			 uint64_t *words, const struct orphan_memory *m)
{
	uint64_t image[18];

	for (size_t i = 0; i < ARRAY_SIZE(image); i++)
		image[frame_order[i]] = words[i];
	if (!rewind_at(all, window, (uint8_t *)image, m))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(image); i++)
		words[i] = image[frame_order[i]];
	return true;
}

static void rewind_stack(const struct trails *all, const uint8_t *window,
			 uint64_t sp, const struct orphan_memory *m)
{
	static uint64_t stack[FRAME_SEARCH / 8];
	ssize_t size =
		m->read(m->user, sp & ~UINT64_C(7), stack, sizeof(stack));
	size_t n = size > 0 ? (size_t)size / 8 : 0;

	for (size_t i = 0; i + FRAME_CS < n; i++) {
		if (!is_frame(all, stack + i) ||
		    !rewind_frame(all, window, stack + i, m))
			continue;
		m->write(m->user, (sp & ~UINT64_C(7)) + 8 * i, stack + i,
			 18 * 8);
		return;
	}
}

/* An excluded call that has not returned gets its return address back. */
static void settle_call(const uint8_t *window, const struct orphan_memory *m)
{
	uint64_t stack, pc;

	if (rewind_excluded(window, &stack, &pc))
		m->write(m->user, stack, &pc, sizeof(pc));
}

static void give_gs(const uint8_t *window, struct orphan *o)
{
	uint32_t selector;

	memcpy(&o->gs_base, window + WIN_GS, sizeof(o->gs_base));
	memcpy(&selector, window + WIN_GS_SELECTOR, sizeof(selector));
	if (selector)
		o->gs = selector;
}

static bool rewind_orphan(const void *data, struct orphan *o)
{
	const struct trails *all = data;
	uint8_t window[WIN_REWIND_END], *image = (uint8_t *)o->regs;

	if (!has_window(all, o->gs_base) || !is_ours(all, o->memory) ||
	    !read_all(o->memory, o->gs_base, window, sizeof(window)))
		return false;
	o->in_call = is_stop(data, *image_reg(image, IMAGE_RIP));
	if (trails_at(all, *image_reg(image, IMAGE_RIP)))
		rewind_at(all, window, image, o->memory);
	else
		rewind_stack(all, window, *image_reg(image, IMAGE_RSP),
			     o->memory);
	settle_call(window, o->memory);
	give_gs(window, o);
	return true;
}

const struct orphan_ops orphan_ops = {
	.is_stop = is_stop,
	.prepare = prepare,
	.rewind = rewind_orphan,
};
