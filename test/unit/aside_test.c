/* Code that is written aside: the region has the same afterwards as if it had
 * been written there, and nothing that comes too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/unit/deny.h"
#include "translate/aside.h"
#include "translate/layer.h"

#define AT    UINT64_C(0x10000000)
#define COLD  UINT32_C(12288)
#define STUBS (2 * COLD)
#define DATA  (STUBS + 16 * STUB_BYTES)
#define SIZE  UINT32_C(32768)

struct written {
	uint8_t memory[SIZE];
	struct mark marks[2][COLD / 3];
	struct stub stubs[16];
	struct trail trail;
	struct region rg;
	struct translator tr;
};

static void stream_init(struct written *w, struct stream *s, bool cold)
{
	*s = (struct stream){
		.e = { .code = w->memory + cold * COLD,
		       .max = COLD,
		       .base = AT + cold * COLD },
		.start = cold * COLD,
		.marks = w->marks[cold],
		.n_marks = cold ? &w->trail.n_cold : &w->trail.n_hot,
		.max_marks = COLD / 3,
	};
}

static struct written *written_new(void)
{
	struct written *w = xcalloc(1, sizeof(*w));

	w->trail = (struct trail){ .addr = AT,
				   .layout = { COLD, STUBS, DATA, SIZE },
				   .hot = w->marks[0],
				   .cold = w->marks[1],
				   .stubs = w->stubs };
	w->rg = (struct region){ .stats = &w->tr.stats,
				 .addr = AT,
				 .map = w->memory,
				 .trail = &w->trail };
	stream_init(w, &w->rg.hot, false);
	stream_init(w, &w->rg.cold, true);
	return w;
}

static void written_free(struct written *w)
{
	map_fini(&w->rg.exits);
	free(w);
}

/* So many bytes in the stream, with a mark at each fourth. */
static void put(struct stream *s, uint64_t pc, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i % 4 == 0)
			stream_mark(s, (struct mark){ .pc = pc + i });
		s->e.code[s->e.len++] = (uint8_t)(pc + 7 * i);
	}
}

static void fill(struct written *w, uint64_t pc, size_t hot, size_t cold,
		 uint32_t data)
{
	struct region *rg = &w->rg;

	put(&rg->hot, pc, hot);
	put(&rg->cold, ~pc, cold);
	for (unsigned i = 0; i < 3; i++)
		assert_int_not_equal(region_exit(rg, pc + i, SLOW_JMP_IMM), 0);
	memset(rg->map + DATA + rg->data_used, (uint8_t)pc, data);
	rg->data_used += data;
}

/* What was there first, and what comes then. */
static const struct {
	size_t hot, cold;
	uint32_t data;
} parts[] = { { 5001, 303, 40 }, { 6100, 9000, 64 } };

static struct written *write_both(bool is_aside, struct aside *a)
{
	struct written *w = written_new();

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		if (i && is_aside)
			aside_begin(a, &w->rg);
		fill(w, 0x401000 + i * 0x10000, parts[i].hot, parts[i].cold,
		     parts[i].data);
	}
	return w;
}

static bool are_same(const struct written *a, const struct written *b)
{
	return !memcmp(a->memory, b->memory, SIZE) &&
	       !memcmp(a->marks, b->marks, sizeof(a->marks)) &&
	       !memcmp(a->stubs, b->stubs, sizeof(a->stubs)) &&
	       a->trail.n_hot == b->trail.n_hot &&
	       a->trail.n_cold == b->trail.n_cold &&
	       a->trail.n_stubs == b->trail.n_stubs &&
	       a->rg.data_used == b->rg.data_used;
}

static bool is_of(const struct stream *s, const struct written *w, bool cold)
{
	return s->e.code == w->memory + cold * COLD &&
	       s->marks == w->marks[cold] &&
	       s->n_marks == (cold ? &w->trail.n_cold : &w->trail.n_hot);
}

/* True: the region has what it would have. */
static bool comes(void)
{
	struct aside a;
	struct written *there = write_both(false, NULL);
	struct written *here = write_both(true, &a);
	bool good;

	aside_end(&a);
	good = are_same(here, there) && here->rg.map == here->memory &&
	       is_of(&here->rg.hot, here, false) &&
	       is_of(&here->rg.cold, here, true);
	/* More may be written behind it. */
	fill(there, 0x501000, 8, 12, 16);
	fill(here, 0x501000, 8, 12, 16);
	good = good && are_same(here, there);
	written_free(there);
	written_free(here);
	return good;
}

static void test_comes(void **state)
{
	(void)state;
	assert_true(comes());
}

/* Where a process may not write to its own memory by the kernel. */
static void test_comes_by_hand(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		deny(SYS_process_vm_writev, DENY_ANY, EPERM);
		_exit(comes() ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Who reads the trail at any moment sees what was there, with its code. */
static void test_is_not_seen_before(void **state)
{
	struct aside a;
	struct written *here = write_both(true, &a);
	struct written *first = written_new();
	uint32_t n_stubs = here->trail.n_stubs;

	(void)state;
	fill(first, 0x401000, parts[0].hot, parts[0].cold, parts[0].data);
	assert_memory_equal(here->memory, first->memory, SIZE);
	assert_memory_equal(here->marks, first->marks, sizeof(first->marks));
	assert_int_equal(here->trail.n_hot, first->trail.n_hot);
	assert_int_equal(here->trail.n_cold, first->trail.n_cold);
	assert_int_equal(n_stubs, 2 * first->trail.n_stubs);
	aside_end(&a);
	written_free(here);
	written_free(first);
}

/* Nothing came while it was aside. */
static void test_nothing(void **state)
{
	struct written *here = written_new(), *there = written_new();
	struct aside a;

	(void)state;
	fill(here, 0x401000, 16, 16, 8);
	fill(there, 0x401000, 16, 16, 8);
	aside_begin(&a, &here->rg);
	aside_end(&a);
	assert_true(are_same(here, there));
	written_free(here);
	written_free(there);
}

static void test_pays(void **state)
{
	(void)state;
	assert_false(aside_pays(4096));
	assert_true(aside_pays(UINT64_C(1) << 22));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes),
		cmocka_unit_test(test_comes_by_hand),
		cmocka_unit_test(test_is_not_seen_before),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_pays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
