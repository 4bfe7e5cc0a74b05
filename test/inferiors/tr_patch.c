/* tr_patch: one thread changes code while others run it, as virtual machines
 * do: an aligned distance of a jump, an immediate of 8 bytes, a jump to itself
 * while the rest is written. Once a flag that was stored after the change is
 * seen, the old code must not be entered any more. */
#include "tr_code.h"
#include <pthread.h>
#include <sched.h>

#define ROUNDS 1000

static unsigned char *code;
static volatile long told; /* the version that is in force */
static volatile int done, running;

/* Keeps entering; what it gets is never older than what was told before. */
static void *enter(void *arg)
{
	long entered = 0, stale = 0;

	(void)arg;
	while (!done) {
		long least = __atomic_load_n(&told, __ATOMIC_ACQUIRE);
		long got = call(code);

		if (got < least) {
			stale++;
			printf("got %ld, told %ld before\n", got, least);
		}
		if (entered++ == 0)
			__atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
	}
	return (void *)(stale ? -1l : entered);
}

static void with_threads(void (*change)(int))
{
	pthread_t t[2];
	void *result;

	done = running = 0;
	told = 0;
	change(0);
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, enter, NULL);
	while (running < 2)
		sched_yield();
	for (int i = 1; i <= ROUNDS; i++) {
		change(i);
		__atomic_store_n(&told, i, __ATOMIC_RELEASE);
		if (i % 50 == 0)
			sched_yield();
	}
	done = 1;
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &result);
		CHECK((long)result > 0);
	}
}

/* The 4 bytes of an immediate, aligned. */
static void change_immediate(int i)
{
	if (i == 0)
		put_return(code + 3, 0);
	memset(code, 0x90, 3);
	__atomic_store_n((int *)(code + 4), i, __ATOMIC_SEQ_CST);
}

/* The distance of a jump, to functions that are never written again. */
static void change_jump(int i)
{
	unsigned char *target = code + PAGE + 16 * (i + 1);

	put_return(target, i);
	memset(code, 0x90, 3);
	code[3] = 0xe9;
	__atomic_store_n((int *)(code + 4), (int)(target - (code + 8)),
			 __ATOMIC_SEQ_CST);
}

static void change_call(int i)
{
	unsigned char *target = code + PAGE + 16 * (i + 1);

	put_return(target, i);
	memcpy(code, "\x48\x83\xec\x10\x90\x90\x90", 7); /* sub $16,%rsp */
	code[7] = 0xe8;
	memcpy(code + 12, "\x48\x83\xc4\x10\xc3", 5);
	__atomic_store_n((int *)(code + 8), (int)(target - (code + 12)),
			 __ATOMIC_SEQ_CST);
}

/* mov $imm64,%rcx; mov %ecx,%eax; ret */
static void change_word(int i)
{
	memset(code, 0x90, 6);
	code[6] = 0x48;
	code[7] = 0xb9;
	memcpy(code + 16, "\x89\xc8\xc3", 3);
	__atomic_store_n((long *)(code + 8), (long)i << 32 | i,
			 __ATOMIC_SEQ_CST);
}

/* A jump to itself, then the tail, then the head. */
static void change_in_parts(int i)
{
	__atomic_store_n((short *)code, (short)0xfeeb, __ATOMIC_SEQ_CST);
	memcpy(code + 2,
	       (unsigned char[]){ (unsigned char)(i >> 8), 0, 0, 0xc3 }, 4);
	__atomic_store_n((short *)code, (short)(0xb8 | (i & 0xff) << 8),
			 __ATOMIC_SEQ_CST);
}

static void immediate(void)
{
	with_threads(change_immediate);
}

static void jump(void)
{
	with_threads(change_jump);
}

static void call_target(void)
{
	with_threads(change_call);
}

static void word(void)
{
	with_threads(change_word);
}

static void in_parts(void)
{
	with_threads(change_in_parts);
}

/* Each thread writes its own code on a page that both use, and runs it. */
static void *own_part(void *arg)
{
	unsigned char *mine = code + 64 * (long)arg;
	long bad = 0;

	for (int i = 0; i < ROUNDS; i++) {
		put_return(mine, i);
		bad += call(mine) != i;
	}
	return (void *)bad;
}

static void one_page(void)
{
	pthread_t t[4];
	void *bad;

	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, own_part, (void *)i);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		EXPECT((long)bad, 0);
	}
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "immediate", immediate },	{ "jump", jump },
		{ "call_target", call_target }, { "word", word },
		{ "in_parts", in_parts },	{ "one_page", one_page },
	};

	code = map_pages(16, RWX);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
