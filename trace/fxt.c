/*
 * The same timeline in Fuchsia's trace format, which Perfetto and magic-trace's
 * viewer open: "Fuchsia trace format" in Fuchsia's documentation. Records are
 * words of 64 bits, the first of which has kind, size and references to strings
 * and threads that were written before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/timeline.h"

#define MAGIC UINT64_C(0x0016547846040010)

enum {
	RECORD_INIT = 1,
	RECORD_STRING,
	RECORD_THREAD,
	RECORD_EVENT,
	RECORD_OBJECT = 7
};
enum { EVENT_BEGIN_DURATION = 2, EVENT_END_DURATION = 3 };
enum { OBJECT_PROCESS = 1, OBJECT_THREAD };
enum { ARGUMENT_KOID = 8 };

#define STRINGS_MAX 0x7fff /* of references; more come with each event */
#define STRING_MAX  0x7fff /* bytes of one */
#define INLINE	    0x8000
#define THREADS_MAX 0xff

struct fxt {
	uint16_t *strings; /* by function: its reference; 0: none yet */
	uint32_t cap_strings;
	uint32_t n_strings;
	uint16_t category, process_argument;
};

static void put_word(struct timeline *t, uint64_t word)
{
	fwrite(&word, sizeof(word), 1, t->out);
}

static uint64_t words(size_t bytes)
{
	return (bytes + 7) / 8;
}

/* Padded to whole words. */
static void put_bytes(struct timeline *t, const char *text, size_t n)
{
	static const char zeros[8];

	fwrite(text, 1, n, t->out);
	fwrite(zeros, 1, words(n) * 8 - n, t->out);
}

static size_t length_of(const char *text)
{
	return strnlen(text, STRING_MAX);
}

static uint16_t put_string(struct timeline *t, const char *text)
{
	struct fxt *x = t->own;
	size_t n = length_of(text);
	uint64_t id = ++x->n_strings;

	put_word(t, RECORD_STRING | (1 + words(n)) << 4 | id << 16 |
			    (uint64_t)n << 32);
	put_bytes(t, text, n);
	return (uint16_t)id;
}

static void head(struct timeline *t)
{
	struct fxt *x = t->own = xcalloc(1, sizeof(*x));

	put_word(t, MAGIC);
	put_word(t, RECORD_INIT | 2 << 4);
	put_word(t, 1000000000); /* ticks a second */
	x->category = put_string(t, "call");
	x->process_argument = put_string(t, "process");
}

static void put_object(struct timeline *t, unsigned kind, uint64_t koid,
		       const char *name, uint64_t process)
{
	const struct fxt *x = t->own;
	size_t n = length_of(name);
	uint64_t size = 2 + words(n) + (process ? 2 : 0);

	put_word(t, RECORD_OBJECT | size << 4 | (uint64_t)kind << 16 |
			    (uint64_t)(INLINE | n) << 24 |
			    (uint64_t)(process != 0) << 40);
	put_word(t, koid);
	put_bytes(t, name, n);
	if (!process)
		return;
	put_word(t,
		 ARGUMENT_KOID | 2 << 4 | (uint64_t)x->process_argument << 16);
	put_word(t, process);
}

static void thread(struct timeline *t, const struct story_thread *th)
{
	const char *command = t->story->command;
	char name[32];

	snprintf(name, sizeof(name), "thread %u", th->number);
	put_object(t, OBJECT_PROCESS, (uint64_t)th->id.pid,
		   command ? command : "process", 0);
	put_object(t, OBJECT_THREAD, (uint64_t)th->id.tid, name,
		   (uint64_t)th->id.pid);
	if (th->number > THREADS_MAX)
		return;
	put_word(t, RECORD_THREAD | 3 << 4 | (uint64_t)th->number << 16);
	put_word(t, (uint64_t)th->id.pid);
	put_word(t, (uint64_t)th->id.tid);
}

/* 0: there is no room for it. */
static uint16_t name_of(struct timeline *t, uint32_t function)
{
	struct fxt *x = t->own;

	x->strings = grow_zeroed(x->strings, &x->cap_strings, function,
				 sizeof(*x->strings));
	if (!x->strings[function] && x->n_strings < STRINGS_MAX)
		x->strings[function] =
			put_string(t, t->story->functions[function].name);
	return x->strings[function];
}

static void put_event(struct timeline *t, const struct story_thread *th,
		      unsigned kind, int64_t ns, uint32_t function)
{
	const struct fxt *x = t->own;
	const char *text = t->story->functions[function].name;
	bool known = th->number <= THREADS_MAX;
	uint16_t name = name_of(t, function);
	size_t n = name ? 0 : length_of(text);
	uint64_t size = 2 + (known ? 0 : 2) + words(n);

	put_word(t, RECORD_EVENT | size << 4 | (uint64_t)kind << 16 |
			    (uint64_t)(known ? th->number : 0) << 24 |
			    (uint64_t)x->category << 32 |
			    (uint64_t)(name ? name : INLINE | n) << 48);
	put_word(t, (uint64_t)ns);
	if (!known) {
		put_word(t, (uint64_t)th->id.pid);
		put_word(t, (uint64_t)th->id.tid);
	}
	put_bytes(t, text, n);
}

static void begin_call(struct timeline *t, const struct story_thread *th,
		       int64_t ns, uint32_t function)
{
	put_event(t, th, EVENT_BEGIN_DURATION, ns, function);
}

static void end_call(struct timeline *t, const struct story_thread *th,
		     int64_t ns, uint32_t function)
{
	put_event(t, th, EVENT_END_DURATION, ns, function);
}

static void tail(struct timeline *t)
{
	(void)t;
}

static const struct timeline_writer writer = { head, thread, begin_call,
					       end_call, tail };

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	(void)e;
	return timeline_begin(s, args, &writer);
}

static void free_fxt(void *state)
{
	struct timeline *t = state;
	struct fxt *x = t->own;

	free(x->strings);
	free(x);
	timeline_free(t);
}

const struct format format_fxt = {
	.name = "fxt",
	.help = "the same, a third as large, for Perfetto",
	.stream = true,
	.begin = begin,
	.write = timeline_write,
	.free = free_fxt,
};
