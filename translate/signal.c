/* Signals of followed threads: the program's own, delivered to it as to one
 * that runs natively. */
#include <signal.h>

#include "translate/flows.h"
#include "translate/siginfo.h"
#include "translate/sigtrap.h"
#include "translate/stop.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

/*
 * There is no handler: the thread takes it where it is, in the cache, and goes
 * on there, from a stop when it is continued. A step would not stay in that,
 * and leaves a trap behind if we die.
 */
static bool take_in_cache(struct translator *tr, struct thread *low,
			  struct follow *f, int signo)
{
	uint8_t *image = follow_image(tr, low, false);
	uint64_t cpc;

	if (!image || *image_flags(image) & FLAG_STEPS || f->excluded ||
	    follow_is_in_entry(tr, low) ||
	    !stop_passes_by(tr, low, signo,
			    follow_restarts_call(tr, low, image)))
		return false;
	f->space->by = low;
	cpc = follow_place(tr, low, f, image);
	if (!cpc)
		return false;
	follow_enter(tr, low, f, cpc);
	follow_go(tr, low, RESUME_CONT, signo);
	return true;
}

void follow_deliver(struct translator *tr, struct thread *th, struct follow *f,
		    int signo)
{
	struct thread *low = lower_thread(th);

	if (f->space->inactive) {
		follow_go(tr, low, RESUME_CONT, signo);
		return;
	}
	if (take_in_cache(tr, low, f, signo)) {
		tr->stats.signals++;
		return;
	}
	signo = sigtrap_deliver(tr, th, signo);
	f->wait = WAIT_SIGNAL;
	/* Past it: the step is one then. */
	if (f->log && tr->lower->ops->inject->action(tr->lower, low, signo) !=
			      ACTION_HANDLED)
		flow_is_at(tr, low, f);
	tr->stats.signals++;
	tr->stats.native_signals++;
	follow_go(tr, low, RESUME_STEP, signo);
}

/* As the resume that it comes too late for was to. False: it is to be told. */
static bool deliver_again(struct translator *tr, struct thread *th,
			  struct follow *f, int signo)
{
	struct resume act = f->asked;

	act.signo = signo;
	return follow_resume(tr, th, &act) == 0;
}

bool follow_take_signal(struct translator *tr, struct thread *th,
			struct follow *f, struct stop *ev)
{
	struct thread *low = lower_thread(th);

	if (ev->signo == SIGTRAP && ev->code == SIGNAL_TRAP)
		return follow_take_trap(tr, th, f, ev);
	if (!ev->signo)
		return true;
	if (f->in_cache && (ev->signo == SIGBUS || ev->signo == SIGSEGV) &&
	    follow_passes_fault(tr, low, f))
		return false;
	if (f->in_cache) {
		follow_leave(tr, low, f, false);
		if ((ev->signo == SIGBUS || ev->signo == SIGSEGV) &&
		    siginfo_misses_bytes(tr, low, f)) {
			follow_run_on(tr, low, f);
			return false;
		}
	}
	if (ev->signo == SIGSYS)
		siginfo_mend_call(tr, low, f);
	if (ev->given)
		return !deliver_again(tr, th, f, ev->signo);
	if (f->asked.kind != RESUME_CONT ||
	    sigismember(&tr->t.pass_signals, ev->signo) != 1)
		return true;
	follow_deliver(tr, th, f, ev->signo);
	return false;
}

bool signal_is_wanted(const struct translator *tr, const struct thread *th,
		      const struct stop *ev)
{
	const struct tr_thread *tt = tr_thread_of(th);

	if (ev->code == SIGNAL_TRAP)
		return !tt->trap_owed;
	if (ev->given)
		return false;
	return !ev->signo || th->options & THREAD_TELL_SIGNALS ||
	       tt->asked.kind != RESUME_CONT ||
	       sigismember(&tr->t.pass_signals, ev->signo) != 1;
}
