/*
 * A thread of ours that reads the logs of threads while they run. It touches
 * nothing but those, and what is read there is told from it: it never asks the
 * target, and waits for nobody. The lock is had by whoever reads, or changes
 * what there is to read.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "translate/flows.h"
#include "translate/layer.h"

#define REST_LEAST 50000 /* ns between two looks that find little */
#define REST_MOST  2000000

struct consumer {
	pthread_t thread;
	pthread_mutex_t lock;
	bool runs, is_to_end;
	struct flow_log **logs;
	size_t n, cap;
};

static bool read_logs(struct consumer *c)
{
	bool much = false;

	for (size_t i = 0; i < c->n; i++)
		much |= flow_read(c->logs[i]);
	return much;
}

static void *consume(void *user)
{
	struct consumer *c = user;
	struct timespec rest = { 0, REST_LEAST };
	bool much;

	pthread_mutex_lock(&c->lock);
	while (!c->is_to_end) {
		much = read_logs(c);
		pthread_mutex_unlock(&c->lock);
		rest.tv_nsec = much			  ? REST_LEAST
			       : rest.tv_nsec < REST_MOST ? 2 * rest.tv_nsec
							  : REST_MOST;
		nanosleep(&rest, NULL);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Who has the lock may take it again. */
static struct consumer *consumer_new(void)
{
	struct consumer *c = xcalloc(1, sizeof(*c));
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&c->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return c;
}

static struct consumer *consumer_of(struct translator *tr)
{
	if (!tr->consumer)
		tr->consumer = consumer_new();
	return tr->consumer;
}

/* Signals are for the thread that waits for events. Without a thread of its own
 * logs are read at stops. */
static void start(struct consumer *c)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	c->is_to_end = false;
	c->runs = pthread_create(&c->thread, NULL, consume, c) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void end(struct consumer *c)
{
	pthread_mutex_lock(&c->lock);
	c->is_to_end = true;
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->runs = false;
}

void consumer_lock(struct translator *tr)
{
	pthread_mutex_lock(&consumer_of(tr)->lock);
}

void consumer_unlock(struct translator *tr)
{
	pthread_mutex_unlock(&tr->consumer->lock);
}

void consumer_add(struct translator *tr, struct flow_log *log)
{
	struct consumer *c = consumer_of(tr);

	consumer_lock(tr);
	GROW(c->logs, c->n, c->cap, 16);
	c->logs[c->n++] = log;
	consumer_unlock(tr);
	if (!c->runs)
		start(c);
}

void consumer_drop(struct translator *tr, struct flow_log *log)
{
	struct consumer *c = tr->consumer;
	size_t i = 0;

	consumer_lock(tr);
	while (c->logs[i] != log)
		i++;
	c->logs[i] = c->logs[--c->n];
	consumer_unlock(tr);
	if (!c->n && c->runs)
		end(c);
}

void consumer_free(struct translator *tr)
{
	struct consumer *c = tr->consumer;

	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c->logs);
	free(c);
	tr->consumer = NULL;
}
