/*
 * For tests of compiled collection: a loop in which something is collected, and
 * what was told of it. Include it in the one file of a test.
 */
#ifndef TEST_TRANSLATE_COLLECTING_H
#define TEST_TRANSLATE_COLLECTING_H

#include "test/translate/stalker.h"

#include "agent/ax.h"
#include "translate/collect.h"

/* clang-format off */
SNIPPET(loop,
	"xor %eax, %eax\n"
	"mov $0x1111, %ecx\n"
	"mov $0x2222, %edx\n"
	"mov $0x3333, %r9d\n"
"loop_head:\n"
	"inc %rax\n"
"loop_here:\n"
	"dec %rsi\n"
	"jne loop_head\n"
	"ret");
/* clang-format on */

extern const char loop_here[];

#define LOOPS 20000

static inline void run_loop(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->v[0] = snippet_call(loop, &s->v[8], LOOPS);
}

/* --- what was told -------------------------------------------------------- */

#define PARTS_KEPT 8

static struct told {
	unsigned n, errors, wrong;
	uint64_t last_time;
	int64_t expect; /* of the first word of the first part */
	int64_t step;
	struct collect_hit last;
	struct collect_part parts[PARTS_KEPT];
	uint8_t data[PARTS_KEPT][512];
} told;

static inline void take(void *user, const struct collect_hit *hit)
{
	struct told *t = user;
	int64_t first = 0;

	t->n++;
	t->errors += hit->error != 0;
	t->wrong += hit->time < t->last_time;
	t->last_time = hit->time;
	t->last = *hit;
	for (unsigned i = 0; i < hit->n_parts && i < PARTS_KEPT; i++) {
		t->parts[i] = hit->parts[i];
		assert_true(hit->parts[i].length <= sizeof(t->data[i]));
		if (!hit->parts[i].error)
			memcpy(t->data[i], hit->parts[i].data,
			       hit->parts[i].length);
	}
	if (!t->step || !hit->n_parts)
		return;
	memcpy(&first, hit->parts[0].data, sizeof(first));
	t->wrong += first != t->expect;
	t->expect += t->step;
}

static inline void listen(struct stalker *s, int64_t expect, int64_t step)
{
	told = (struct told){ .expect = expect, .step = step };
	translate_on_collect(s->d->t, take, &told);
}

static inline uint64_t word(unsigned part, unsigned n)
{
	uint64_t v;

	memcpy(&v, told.data[part] + 8 * n, sizeof(v));
	return v;
}

static inline struct ax_program *program(const char *code, size_t len)
{
	struct ax_program *p;
	struct err e = { 0 };

	if (ax_load(&p, (const uint8_t *)code, len, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}
#define PROGRAM(text) program(text, sizeof(text) - 1)

static inline int add(struct stalker *s, const struct collect_spec *spec,
	       bool is_compiled)
{
	bool compiled;
	int n = translate_collect_add(s->d->t, s->p, spec, &compiled);

	assert_true(n > 0);
	assert_int_equal(compiled, is_compiled);
	return n;
}

#define REG(n) (UINT64_C(1) << (n))
#define HERE   ((uintptr_t)loop_here)
#define ONE                                                    \
	{                                                      \
		.what = COLLECT_REGISTERS, .registers = REG(0) \
	}

static inline uint64_t counted(const struct stalker *s, const char *what)
{
	const struct translate_stats *st = translate_stats(s->d->t);

	return !strcmp(what, "called")	? st->collects_called
	       : !strcmp(what, "lost")	? st->collects_lost
	       : !strcmp(what, "waits") ? st->collect_waits
					: st->callouts;
}

#endif
