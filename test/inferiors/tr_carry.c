/* tr_carry: flags that code which stays brings along to code that changes: now
 * it reads them, now it does not. What looks whether the code has changed must
 * not take them away. */
#include "tr_code.h"

/* Of the form int f(int), with the code that changes behind it or elsewhere. */
typedef int carrying(int zero);

static const unsigned char reads[] = { 0x19, 0xc0, 0xc3 };  /* sbb eax,eax */
static const unsigned char spends[] = { 0x31, 0xc0, 0xc3 }; /* xor eax,eax */

static unsigned char *page; /* and another behind it */

static unsigned char *put(unsigned char *at, const char *code, size_t n)
{
	memcpy(at, code, n);
	return at + n;
}
#define PUT(at, code) put(at, code, sizeof(code) - 1)

/* cmp $1,%edi: the carry flag is set where it is 0 */
static unsigned char *put_compare(unsigned char *at)
{
	return PUT(at, "\x83\xff\x01");
}

/* Each writes its code at `at`, and returns where what changes is to be. */
static unsigned char *by_jmp(unsigned char *at)
{
	put_branch(put_compare(at), 0xe9, page + PAGE);
	return page + PAGE;
}

static unsigned char *by_jcc(unsigned char *at)
{
	at = PUT(put_compare(at), "\x0f");
	at = put_branch(at, 0x82, page + PAGE);
	put_branch(at, 0xe9, page + PAGE);
	return page + PAGE;
}

static unsigned char *by_falling(unsigned char *at)
{
	at = PUT(put_compare(at), "\x70\x01"); /* jo: not taken */
	return at;
}

static unsigned char *by_return(unsigned char *at)
{
	PUT(put_compare(at + 64), "\xc3");
	return put_branch(at, 0xe8, at + 64);
}

/* mov $what changes, %rdx */
static unsigned char *put_pointer(unsigned char *at)
{
	void *target = page + PAGE;

	return put(PUT(at, "\x48\xba"), (char *)&target, 8);
}

static unsigned char *by_pointer(unsigned char *at)
{
	at = put_pointer(at);
	PUT(put_compare(at), "\xff\xe2");
	return page + PAGE;
}

static unsigned char *by_pop(unsigned char *at)
{
	at = PUT(put_pointer(at), "\x52"); /* push %rdx */
	PUT(put_compare(at), "\xc3");
	return page + PAGE;
}

static void run(const char *name, unsigned char *(*write)(unsigned char *),
		int times)
{
	static unsigned round;
	unsigned char *at = page + round++ % 15 * 256, *changes = write(at);
	int wrong = 0;

	for (int i = 0; i < times; i++) {
		int how = i % 3 != 1, zero = i % 5 < 2;

		memcpy(changes, how ? spends : reads, sizeof(reads));
		for (int k = 0; k < 2; k++)
			wrong += ((carrying *)(void *)at)(!zero) !=
				 (how || !zero ? 0 : -1);
	}
	EXPECT(wrong, 0);
	say("%s: %d changes", name, times);
}

static void run_all(int times)
{
	run("jmp", by_jmp, times);
	run("jcc", by_jcc, times);
	run("falling", by_falling, times);
	run("return", by_return, times);
	run("pointer", by_pointer, times);
	run("pop", by_pop, times);
}

static void few(void)
{
	run_all(20);
}

/* The page is written to all the time. */
static void many(void)
{
	run_all(4000);
}

/* No other mapping of it can be watched. */
static void shared(void)
{
	unsigned char *kept = page;

	page = mmap(NULL, 2 * PAGE, RWX, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	run_all(200);
	page = kept;
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "few", few },
		{ "many", many },
		{ "shared", shared },
	};

	page = map_pages(2, RWX);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
