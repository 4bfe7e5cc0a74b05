#include "translate/aside.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"

#define LEAST (UINT64_C(1) << 20)

bool aside_pays(uint64_t bytes)
{
	return bytes >= LEAST;
}

/* Both streams' marks come behind what stands for the region. */
static size_t marks_bytes(const struct layout *l)
{
	return layout_marks_max(l) * sizeof(struct mark);
}

static size_t room_bytes(const struct layout *l)
{
	return l->size + 2 * marks_bytes(l);
}

static void stream_begin(struct aside *a, struct stream *s, bool cold)
{
	const struct layout *l = &a->rg->trail->layout;

	a->n_marks[cold] = *s->n_marks;
	s->n_marks = &a->n_marks[cold];
	s->e.code = a->room + s->start;
	s->marks = (void *)(a->room + l->size + cold * marks_bytes(l));
}

void aside_begin(struct aside *a, struct region *rg)
{
	*a = (struct aside){
		.rg = rg,
		.room = huge_alloc(room_bytes(&rg->trail->layout)),
		.map = rg->map,
		.hot = rg->hot,
		.cold = rg->cold,
		.n_stubs = rg->trail->n_stubs,
		.data_used = rg->data_used,
		.stub_code_ready = rg->stub_code_ready,
	};
	rg->map = a->room;
	stream_begin(a, &rg->hot, false);
	stream_begin(a, &rg->cold, true);
}

/* As the kernel writes to memory of others: not by their pages of it. */
static void copy(void *to, const void *from, size_t n)
{
	struct iovec there = { to, n }, here = { (void *)from, n };
	ssize_t done =
		n ? process_vm_writev(getpid(), &here, 1, &there, 1, 0) : 0;

	if (done < 0)
		done = 0;
	memcpy((uint8_t *)to + done, (const uint8_t *)from + done,
	       n - (size_t)done);
}

static void copy_part(const struct aside *a, uint32_t from, uint32_t to)
{
	copy(a->map + from, a->room + from, to - from);
}

/* The marks are complete before they are counted. */
static void stream_end(struct aside *a, struct stream *s,
		       const struct stream *was)
{
	uint32_t n = *s->n_marks, before = *was->n_marks;

	copy_part(a, was->start + (uint32_t)was->e.len, stream_at(s));
	copy(was->marks + before, s->marks + before,
	     (n - before) * sizeof(*s->marks));
	s->e.code = was->e.code;
	s->marks = was->marks;
	s->n_marks = was->n_marks;
	s->code_ready = was->code_ready;
	s->marks_ready = was->marks_ready;
	__atomic_store_n(s->n_marks, n, __ATOMIC_RELEASE);
}

void aside_end(struct aside *a)
{
	struct region *rg = a->rg;
	const struct trail *tl = rg->trail;
	const struct layout *l = &tl->layout;

	stream_end(a, &rg->hot, &a->hot);
	stream_end(a, &rg->cold, &a->cold);
	copy_part(a, l->stubs + a->n_stubs * STUB_BYTES,
		  l->stubs + tl->n_stubs * STUB_BYTES);
	copy_part(a, l->data + a->data_used, l->data + rg->data_used);
	rg->map = a->map;
	rg->stub_code_ready = a->stub_code_ready;
	huge_free(a->room, room_bytes(l));
}
