/*
 * Original code that a followed thread runs: an instruction, or more.
 *
 * There are breakpoints of ours in it, for threads that come from such code
 * back to us. One that is told to go on from there has been told of, or comes
 * from the cache, which knows nothing of them: it would meet it for ever.
 */
#include <string.h>

#include "translate/call.h"
#include "translate/flows.h"
#include "translate/trap.h"
#include "translate/watchpoints.h"
#include "translate/x86_64/rewind.h"

/* Is the rewound thread at a breakpoint of ours, and of nobody else's? */
static bool is_at_own_point(struct translator *tr, struct thread *low)
{
	const struct thread *th = upper_thread(tr, low);
	uint8_t *image;
	uint64_t pc;

	if (!low->proc->points->sw.count || !th)
		return false;
	image = follow_image(tr, low, false);
	pc = image ? *image_reg(image, IMAGE_RIP) : 0;
	return point_find(low->proc, POINT_SW, pc, 0) &&
	       !point_find(th->proc, POINT_SW, pc, 0);
}

bool follow_goes_over(struct translator *tr, const struct thread *low)
{
	const struct thread *th = upper_thread(tr, low);
	struct follow *f = th ? follow_of(th) : NULL;
	bool over = f && f->asked.over;

	if (f)
		f->asked.over = false;
	return over;
}

int follow_go_natively(struct translator *tr, struct thread *low,
		       const struct resume *how)
{
	struct resume act = *how;

	act.who = low->id;
	act.over |= follow_goes_over(tr, low) || is_at_own_point(tr, low);
	return target_resume(tr->lower, &act, 1);
}

void follow_run_natively(struct translator *tr, struct thread *low)
{
	follow_go_natively(tr, low, &(struct resume){ .kind = RESUME_CONT });
}

enum resume_kind follow_step_kind(const struct follow *f)
{
	return f->wait == WAIT_CALL ? RESUME_CALL : RESUME_STEP;
}

void follow_step(struct translator *tr, struct thread *low, struct follow *f,
		 enum follow_wait why)
{
	f->wait = why;
	flow_is_at(tr, low, f);
	if (why == WAIT_NATIVE)
		watchpoints_note(tr, low, f, false);
	tr->stats.native_steps++;
	follow_go_natively(tr, low,
			   &(struct resume){ .kind = follow_step_kind(f),
					     .over = why == WAIT_NATIVE &&
						     checks(f->space) });
}

bool follow_has_hw_point(struct translator *tr, const struct thread *low,
			 uint64_t pc)
{
	const struct thread *th = upper_thread(tr, low);

	return th && point_find(th->proc, POINT_HW, pc, 1);
}

void follow_step_on(struct translator *tr, struct thread *low, struct follow *f,
		    enum follow_wait why)
{
	uint8_t *image = follow_image(tr, low, false);

	if (image &&
	    follow_has_hw_point(tr, low, *image_reg(image, IMAGE_RIP))) {
		*image_flags(image) |= FLAG_RESUMES;
		low->dirty |= 1u << REGSET_GENERAL;
	}
	follow_step(tr, low, f, why);
}

static bool is_at_call(struct translator *tr, struct thread *low, uint64_t pc)
{
	uint8_t code[2];

	return target_read_all(tr->lower, low->proc, pc, code, 2) == 0 &&
	       code[0] == 0x0f && code[1] == 0x05;
}

bool follow_is_in_entry(struct translator *tr, const struct thread *low)
{
	const struct target_inject_ops *inject = tr->lower->ops->inject;

	return inject && inject->at_entry(tr->lower, low);
}

void follow_make_call(struct translator *tr, struct thread *low,
		      struct follow *f)
{
	f->watch = call_look(tr, low, f->space);
	f->wait = WAIT_CALL;
	tr->stats.native_syscalls++;
	follow_go(tr, low, follow_step_kind(f), 0);
}

void follow_note_step(struct translator *tr, struct thread *low,
		      struct follow *f)
{
	uint8_t *image = follow_image(tr, low, false);
	struct watch w;

	f->space->by = low;
	if (image && follow_is_in_entry(tr, low))
		w = call_look(tr, low, f->space);
	else if (image && is_at_call(tr, low, *image_reg(image, IMAGE_RIP)))
		w = watch_call(f->space, image);
	else
		return;
	if (w.way != WATCH_NATIVE && w.way != WATCH_ACTION)
		return;
	f->watch = w;
	f->wait = WAIT_CALL;
}

/* May be, in a range that is longer. */
#define RANGE_SEARCHED 4096

static bool may_call_in(struct translator *tr, struct thread *low, uint64_t lo,
			uint64_t hi)
{
	uint8_t code[RANGE_SEARCHED + 1];
	size_t len = hi - lo + 1;

	return hi - lo > RANGE_SEARCHED ||
	       target_read_all(tr->lower, low->proc, lo, code, len) < 0 ||
	       memmem(code, len, "\x0f\x05", 2);
}

enum resume_kind follow_kind(struct translator *tr, struct thread *low,
			     const struct follow *f, const struct resume *act)
{
	bool looks = f->log || misses_nothing(f->space) || f->wait == WAIT_CALL;

	if (act->kind == RESUME_RANGE &&
	    (looks || may_call_in(tr, low, act->lo, act->hi)))
		return RESUME_STEP;
	return act->kind;
}

/* The processor knows nothing of it. The thread is to pass it when it goes on,
 * as behind one that the processor knows. */
static bool meets_held_point(struct translator *tr, struct thread *low,
			     uint8_t *image)
{
	struct thread *th = upper_thread(tr, low);
	const struct point *pt =
		th ? point_find(th->proc, POINT_HW,
				*image_reg(image, IMAGE_RIP), 1)
		   : NULL;

	if (!pt || !pt->held || !target_point_hit(&tr->t, th, pt))
		return false;
	*image_flags(image) |= FLAG_RESUMES;
	low->dirty |= 1u << REGSET_GENERAL;
	return true;
}

bool follow_steps_on(struct translator *tr, struct thread *low,
		     struct follow *f, struct stop *ev)
{
	const struct resume *asked = &f->asked;
	uint8_t *image = asked->kind == RESUME_RANGE
				 ? follow_image(tr, low, false)
				 : NULL;
	uint64_t pc = image ? *image_reg(image, IMAGE_RIP) : 0;

	if (!image || pc < asked->lo || pc >= asked->hi)
		return false;
	if (meets_held_point(tr, low, image)) {
		ev->kind = STOP_HWBREAK;
		return false;
	}
	follow_note_step(tr, low, f);
	flow_is_at(tr, low, f);
	watchpoints_note(tr, low, f, false);
	follow_go_natively(tr, low, &(struct resume){ .kind = RESUME_STEP });
	return true;
}

/*
 * The program has asked for a trap after each instruction: they are its own
 * ones. The processor sees to it; what a call changes is seen to here.
 */
void follow_run_stepping(struct translator *tr, struct thread *low,
			 struct follow *f, uint8_t *image)
{
	if (is_at_call(tr, low, *image_reg(image, IMAGE_RIP))) {
		f->watch = watch_call(f->space, image);
		f->wait = WAIT_CALL;
	}
	flow_is_at(tr, low, f);
	tr->stats.native_steps++;
	follow_run_natively(tr, low);
}

void follow_run_excluded(struct translator *tr, struct thread *low,
			 struct follow *f)
{
	f->excluded = true;
	f->wait = WAIT_EXCLUDED;
	flow_is_freed(tr, low, f);
	follow_run_natively(tr, low);
}
