/* tr_accept: what the acceptance list (doc/translate-acceptance.md) asks for
 * and no other program does: flags that an instruction leaves for the next
 * block, the heap, places that call one function, a few, and many. */
#include "tr_run.h"
#include <malloc.h>
#include <pthread.h>

/* popcnt sets ZF alone; the branch behind it is a block's end. */
PIECE(counts, "	popcnt %rdi,%rax\n	jz 1f\n	lea 100(%rax),%rax\n"
	      "1:	jc 2f\n	jo 2f\n	js 2f\n	jp 2f\n	ret\n"
	      "2:	mov $-1,%rax");
PIECE(counts_then_calls, "	popcnt %rdi,%rax\n	call 1f\n	ret\n"
			 "1:	lea 100(%rax),%rcx\n	cmovnz %rcx,%rax");

static void popcnt(void)
{
	static const unsigned long values[] = { 0,	    1,	  3,
						0xff00ff00, -1ul, 1ul << 63 };
	static const unsigned long wanted[] = { 0, 101, 102, 116, 164, 101 };
	void *pieces[] = { counts, counts_then_calls };
	struct tr_regs r;

	for (size_t i = 0; i < 4 * ARRAY_SIZE(values); i++) {
		size_t k = i % ARRAY_SIZE(values);

		tr_fill(&r);
		r.rdi = values[k];
		r.flags |= i & 1 ? TR_STATUS : 0;
		tr_run(&r, pieces[i / ARRAY_SIZE(values) % 2]);
		EXPECT(r.rax, wanted[k]);
	}
}

/* --- the heap ------------------------------------------------------------- */

#define BLOCKS 200

static unsigned next_random(unsigned *state)
{
	return *state = *state * 1103515245 + 12345;
}

static int is_whole(const unsigned char *p, size_t size, size_t tag)
{
	return !size || (p[0] == (unsigned char)tag &&
			 p[size - 1] == (unsigned char)(tag + 1));
}

static void mark(unsigned char *p, size_t size, size_t tag)
{
	p[0] = (unsigned char)tag;
	p[size - 1] = (unsigned char)(tag + 1);
}

static void *use_heap(void *arg)
{
	unsigned state = (unsigned)(size_t)arg;
	unsigned char *blocks[BLOCKS] = { 0 };
	size_t sizes[BLOCKS] = { 0 }, bad = 0;

	for (int i = 0; i < 20000; i++) {
		size_t n = next_random(&state) >> 8 & 127;
		size_t size = 2 + (next_random(&state) >> 8) %
					  (i % 50 ? 500 : 300000);

		bad += !is_whole(blocks[n], sizes[n], n);
		if (i % 7 == 0) {
			free(blocks[n]);
			blocks[n] =
				i % 2 ? memalign(64, size) : calloc(1, size);
		} else {
			blocks[n] = realloc(blocks[n], size);
		}
		sizes[n] = size;
		mark(blocks[n], size, n);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(blocks[i]);
	return (void *)bad;
}

static void heap_api(void)
{
	pthread_t threads[4];
	void *bad;

	EXPECT((long)use_heap((void *)9), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, use_heap, (void *)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &bad);
		EXPECT((long)bad, 0);
	}
}

/* --- places that call ------------------------------------------------------
 */

typedef int one_of(int x);
#define F(n)                      \
	static int f##n(int x)    \
	{                         \
		return x * 3 + n; \
	}
#define EACH(m)                                                               \
	m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12)   \
		m(13) m(14) m(15) m(16) m(17) m(18) m(19) m(20) m(21) m(22)   \
			m(23) m(24) m(25) m(26) m(27) m(28) m(29) m(30) m(31) \
				m(32) m(33) m(34) m(35) m(36) m(37)
#define NAME(n) f##n,
EACH(F)
static one_of *const targets[] = { EACH(NAME) };

/* One place, of which the targets change by turns, then one that was never
 * called there. */
static void ic_var(void)
{
	for (unsigned n = 1; n <= ARRAY_SIZE(targets); n++) {
		unsigned x = 1, want = 1;

		for (unsigned i = 0; i < 400; i++) {
			unsigned k = i / 3 % n;

			x = (unsigned)targets[k]((int)x);
			want = want * 3 + k;
		}
		EXPECT(x, want);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "popcnt", popcnt },
		{ "heap_api", heap_api },
		{ "ic_var", ic_var },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
