#include "tracepoint/late.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tracepoint/buffer.h"

#define ROOM(len) (sizeof(struct trace_late_entry) + (((len) + 7) & ~(size_t)7))

void trace_late_fini(struct trace_late *l)
{
	free(l->bytes);
	*l = (struct trace_late){ 0 };
}

int trace_late_take(struct trace_late *l, struct trace_late_entry *entry)
{
	if (l->head == l->end)
		return 0;
	memcpy(entry, l->bytes + l->head, sizeof(*entry));
	entry->data = l->bytes + l->head + sizeof(*entry);
	l->head += ROOM(entry->len);
	l->owed -= entry->frame_len;
	return 1;
}

/* Those that are gone make room when they are as many as those that are left:
 * moving is paid for by what was added since. */
static void make_room(struct trace_late *l, size_t n)
{
	size_t left = l->end - l->head;

	if (l->head >= left) {
		if (left)
			memmove(l->bytes, l->bytes + l->head, left);
		l->head = 0;
		l->end = left;
	}
	if (l->end + n <= l->cap)
		return;
	l->cap = 2 * (l->cap + n);
	l->bytes = xrealloc(l->bytes, l->cap);
}

void trace_late_add(struct trace_late *l, const struct trace_buffer *b,
		    const struct trace_late_entry *entry)
{
	struct trace_late_entry gone;
	size_t n = ROOM(entry->len);

	while (l->owed + entry->frame_len > b->capacity &&
	       trace_late_take(l, &gone))
		l->forgotten++;
	if (l->end + n > l->cap)
		make_room(l, n);
	memcpy(l->bytes + l->end, entry, sizeof(*entry));
	memcpy(l->bytes + l->end + sizeof(*entry), entry->data, entry->len);
	l->end += n;
	l->owed += entry->frame_len;
}

void trace_late_begin(struct trace_late *l, struct trace_buffer *b)
{
	if (l->forgotten)
		trace_buffer_skip(b, l->forgotten);
	l->forgotten = 0;
}
