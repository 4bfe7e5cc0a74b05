/* A timer that is quick, and leaves the program some time. */
#ifndef TEST_INFERIORS_TR_OFTEN_H
#define TEST_INFERIORS_TR_OFTEN_H

#include "tr.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static void tr_nothing(int signo)
{
	(void)signo;
}

static long tr_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Microseconds of the quickest of some signals, up to where its handler has
 * returned. */
static long tr_quickest(void)
{
	long best = 1000000000;

	signal(SIGUSR2, tr_nothing);
	for (int i = 0; i < 20; i++) {
		long before = tr_nanoseconds(), n;

		raise(SIGUSR2);
		n = tr_nanoseconds() - before;
		best = n < best ? n : best;
	}
	return best / 1000;
}

/* A SIGALRM each 200 us; where signals take more than a third of that, each
 * time three of them take. */
static void tr_start_often(void)
{
	long each = 3 * tr_quickest();
	struct timeval t = { 0, each < 200 ? 200 : each };

	setitimer(ITIMER_REAL, &(struct itimerval){ t, t }, NULL);
}

static void tr_stop_often(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

#endif
