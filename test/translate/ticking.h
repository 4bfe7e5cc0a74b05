/*
 * For tests of the translator: a loop that counts rsi down, interrupted by a
 * timer all the while.
 *
 * The kernel sets such a timer anew when it takes the signal from its queue.
 * Where the stops of a signal that is given take longer than the time between
 * two (in a VM each costs several times what it does elsewhere) the next is
 * there before the loop goes on, and it never would: the time is doubled until
 * it does.
 */
#ifndef TEST_TRANSLATE_TICKING_H
#define TEST_TRANSLATE_TICKING_H

#include "test/translate/stalker.h"

#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#define TICK_US	   100
#define TICK_TURNS 4 /* so many are made from signal to signal */

static struct itimerval ticking;
static long ticking_rsi;
static volatile long ticks;

static inline void ticking_set(long us)
{
	ticking.it_value.tv_usec = ticking.it_interval.tv_usec = us;
	setitimer(ITIMER_REAL, &ticking, NULL);
}

static void ticking_tick(int signo, siginfo_t *info, void *context)
{
	long rsi = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RSI];
	long turns = ticking_rsi - rsi, us = ticking.it_value.tv_usec;

	(void)signo;
	(void)info;
	ticks++;
	ticking_rsi = rsi;
	if (turns >= 0 && turns < TICK_TURNS && us < 500000)
		ticking_set(2 * us);
}

static inline void ticking_take(void)
{
	struct sigaction sa = { .sa_sigaction = ticking_tick,
				.sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(SIGALRM, &sa, NULL);
}

/* As a function of a child's: the snippet's result. */
static inline long ticking_run(struct traced_shared *s, const char *snippet,
			       long loops)
{
	long result;

	ticking_take();
	s->ready = 1;
	traced_wait_for(&s->go);
	ticking_set(TICK_US);
	result = snippet_call(snippet, &s->v[8], loops);
	ticking_set(0);
	return result;
}

#endif
