/*
 * Events kept in memory, thread by thread, until somebody asks for them: also
 * after their threads have ended. Each thread has room for so many, and all
 * together for KEPT_MOST bytes; what does not fit is counted, so that whoever
 * reads knows how much is missing.
 */
#ifndef TRACE_KEPT_H
#define TRACE_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/map.h"
#include "translate/events.h"
#include "translate/record.h"

/* Of one thread; a thread that comes to be full allows for fewer. */
#define KEPT_LEAST   (UINT64_C(4) << 10)
#define KEPT_DEFAULT (UINT64_C(16) << 20)
#define KEPT_MOST    (UINT64_C(1) << 30)

struct kept_thread {
	struct ptid id;
	struct translate_event *all; /* owned: a ring once it is full */
	size_t n, cap, first;	     /* events; the oldest one's index */
	uint64_t lost;
};

/* A file as a process had it mapped. */
struct kept_module {
	pid_t pid;
	char *path; /* owned */
	uint64_t base, size, offset;
};

/* Zero-initialised is empty, but for per_thread. */
struct kept {
	uint64_t per_thread; /* bytes, as asked for */
	bool stops;	     /* full: the newest are lost, not the oldest */
	struct kept_thread **threads; /* in the order of their first events */
	size_t n_threads;
	struct map by_id;
	uint64_t bytes; /* of all rings */
	struct kept_module *modules;
	size_t n_modules;
};

/* Forgets all, and keeps the settings. */
void kept_clear(struct kept *k);

/* struct translate_sink's batch: user is the struct kept. */
void kept_put(void *user, struct ptid who, const struct translate_event *all,
	      size_t n);

/* The modules of that process, as far as they are not known yet. */
void kept_modules(struct kept *k, pid_t pid, const struct space *sp);

/*
 * The text of events.h: lines of modules, of what is lost (`# lost TID COUNT`,
 * of threads that have lost any), then the events, thread by thread.
 */
void kept_write(const struct kept *k, FILE *f);

/* `PID BASE SIZE OFFSET PATH`, a line a module; numbers but PID in hex. */
void kept_write_maps(const struct kept *k, FILE *f);

#endif
