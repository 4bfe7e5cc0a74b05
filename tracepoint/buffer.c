#include "tracepoint/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

void trace_buffer_init(struct trace_buffer *b)
{
	*b = (struct trace_buffer){ .capacity = TRACE_BUFFER_DEFAULT };
}

static void unmap(struct trace_buffer *b)
{
	if (b->memory)
		munmap(b->memory, 2 * b->mapped);
	b->memory = NULL;
}

void trace_buffer_fini(struct trace_buffer *b)
{
	unmap(b);
	free(b->marks);
}

void trace_buffer_clear(struct trace_buffer *b)
{
	b->begin = b->end = b->created = 0;
	b->head = b->n_marks = 0;
}

int trace_buffer_resize(struct trace_buffer *b, uint64_t capacity)
{
	if (!capacity || capacity > TRACE_BUFFER_MOST)
		return -EINVAL;
	trace_buffer_clear(b);
	if (capacity == b->capacity)
		return 0;
	unmap(b);
	b->capacity = capacity;
	return 0;
}

static bool map_twice(struct trace_buffer *b, int fd)
{
	const int prot = PROT_READ | PROT_WRITE;
	uint8_t *at = mmap(NULL, 2 * b->mapped, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return false;
	for (int i = 0; i < 2; i++) {
		if (mmap(at + (size_t)i * b->mapped, b->mapped, prot,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
			munmap(at, 2 * b->mapped);
			return false;
		}
	}
	b->memory = at;
	return true;
}

/* Pages that are never written take no memory. */
static int map(struct trace_buffer *b)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	bool done;
	int fd;

	if (b->memory)
		return 0;
	b->mapped = (b->capacity + page - 1) / page * page;
	fd = memfd_create("trace-buffer", MFD_CLOEXEC);
	if (fd < 0)
		return -ENOMEM;
	done = ftruncate(fd, (off_t)b->mapped) == 0 && map_twice(b, fd);
	close(fd);
	return done ? 0 : -ENOMEM;
}

static struct trace_mark *mark_of(const struct trace_buffer *b, size_t number)
{
	return &b->marks[b->head + number];
}

static void drop_oldest(struct trace_buffer *b)
{
	b->head++;
	b->n_marks--;
	b->begin = b->n_marks ? mark_of(b, 0)->at : b->end;
}

/* Those that are gone make room at the beginning, when they are as many as
 * those that are left: moving is paid for by what was added since. */
static void add_mark(struct trace_buffer *b, uint64_t pc)
{
	if (b->head && b->head >= b->n_marks) {
		memmove(b->marks, b->marks + b->head,
			b->n_marks * sizeof(*b->marks));
		b->head = 0;
	}
	GROW(b->marks, b->head + b->n_marks, b->cap_marks, 256);
	*mark_of(b, b->n_marks++) = (struct trace_mark){ b->end, pc };
}

int trace_buffer_add(struct trace_buffer *b, const void *frame, size_t len,
		     uint64_t pc)
{
	if (len > b->capacity)
		return -ENOSPC;
	if (map(b) < 0)
		return -ENOMEM;
	while (trace_buffer_used(b) + len > b->capacity) {
		if (!b->circular)
			return -ENOSPC;
		drop_oldest(b);
	}
	add_mark(b, pc);
	memcpy(b->memory + b->end % b->mapped, frame, len);
	b->end += len;
	b->created++;
	return 0;
}

void trace_buffer_skip(struct trace_buffer *b, uint64_t frames)
{
	while (b->n_marks)
		drop_oldest(b);
	b->created += frames;
}

size_t trace_buffer_frames(const struct trace_buffer *b)
{
	return b->n_marks;
}

const uint8_t *trace_buffer_frame(const struct trace_buffer *b, size_t number,
				  size_t *len)
{
	uint64_t at = mark_of(b, number)->at;
	uint64_t end =
		number + 1 < b->n_marks ? mark_of(b, number + 1)->at : b->end;

	*len = end - at;
	return b->memory + at % b->mapped;
}

uint64_t trace_buffer_pc(const struct trace_buffer *b, size_t number)
{
	return mark_of(b, number)->pc;
}

size_t trace_buffer_bytes(const struct trace_buffer *b, uint64_t off,
			  size_t len, const uint8_t **at)
{
	if (off >= trace_buffer_used(b))
		return 0;
	if (len > trace_buffer_used(b) - off)
		len = trace_buffer_used(b) - off;
	*at = b->memory + (b->begin + off) % b->mapped;
	return len;
}
