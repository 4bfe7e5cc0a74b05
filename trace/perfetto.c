/*
 * A timeline as JSON, which Perfetto and chrome://tracing open: the Trace Event
 * Format's begin and end events, in microseconds, of each thread.
 */
#include <inttypes.h>

#include "trace/json.h"
#include "trace/timeline.h"

static void head(struct timeline *t)
{
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", t->out);
}

/* Between two there is a comma. */
static void put_separator(struct timeline *t)
{
	fputs(t->any ? ",\n" : "\n", t->out);
	t->any = true;
}

static void put_name(struct timeline *t, const struct story_thread *th,
		     const char *what, const char *name)
{
	put_separator(t);
	fprintf(t->out,
		"{\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"name\":\"%s\","
		"\"args\":{\"name\":",
		th->id.pid, th->id.tid, what);
	json_put_string(name, t->out);
	fputs("}}", t->out);
}

static void thread(struct timeline *t, const struct story_thread *th)
{
	char name[32];

	snprintf(name, sizeof(name), "thread %u", th->number);
	put_name(t, th, "process_name",
		 t->story->command ? t->story->command : "process");
	put_name(t, th, "thread_name", name);
}

/* Microseconds with three digits behind the point, exactly. */
static void put_event(struct timeline *t, const struct story_thread *th,
		      char phase, int64_t ns)
{
	put_separator(t);
	fprintf(t->out,
		"{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d,\"ts\":%" PRId64 ".%03d",
		phase, th->id.pid, th->id.tid, ns / 1000, (int)(ns % 1000));
}

static void begin_call(struct timeline *t, const struct story_thread *th,
		       int64_t ns, uint32_t function)
{
	put_event(t, th, 'B', ns);
	fputs(",\"name\":", t->out);
	json_put_string(t->story->functions[function].name, t->out);
	fputc('}', t->out);
}

static void end_call(struct timeline *t, const struct story_thread *th,
		     int64_t ns, uint32_t function)
{
	(void)function;
	put_event(t, th, 'E', ns);
	fputc('}', t->out);
}

static void tail(struct timeline *t)
{
	fputs("\n]}\n", t->out);
}

static const struct timeline_writer writer = { head, thread, begin_call,
					       end_call, tail };

static void *begin(struct story *s, const struct format_args *args,
		   struct err *e)
{
	(void)e;
	return timeline_begin(s, args, &writer);
}

const struct format format_perfetto = {
	.name = "perfetto",
	.help = "when each call began and ended, as JSON for Perfetto",
	.stream = true,
	.begin = begin,
	.write = timeline_write,
	.free = timeline_free,
};
