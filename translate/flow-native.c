/* The log of threads that run their original code, by steps or freely. */
#include "translate/flows.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

/* 0: nobody keeps a log of it, or it is gone. */
static uint64_t pc_of(struct translator *tr, struct thread *low,
		      const struct follow *f)
{
	uint8_t *image = f->log ? follow_image(tr, low, false) : NULL;

	return image ? *image_reg(image, IMAGE_RIP) : 0;
}

void flow_is_at(struct translator *tr, struct thread *low, struct follow *f)
{
	if (f->log)
		flow_steps(f, pc_of(tr, low, f));
}

void flow_is_freed(struct translator *tr, struct thread *low, struct follow *f)
{
	if (f->log)
		flow_skips(tr, f, pc_of(tr, low, f));
}

void flow_goes(struct translator *tr, struct thread *low, struct follow *f,
	       enum resume_kind kind, int signo)
{
	/* A step into a handler executes nothing. */
	if (kind != RESUME_CONT && signo &&
	    tr->lower->ops->inject->action(tr->lower, low, signo) ==
		    ACTION_HANDLED)
		return;
	if (kind == RESUME_CONT)
		flow_is_freed(tr, low, f);
	else
		flow_is_at(tr, low, f);
}

void flow_has_stopped(struct translator *tr, struct thread *low,
		      struct follow *f, bool stepped)
{
	if (f->log && !f->in_cache)
		flow_stepped(tr, f, pc_of(tr, low, f), stepped);
}
