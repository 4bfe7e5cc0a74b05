/* Calls of all kinds, many of each: leaves, helpers of functions that call
 * themselves, through pointers and stubs, jumps to other functions, and frames
 * that are left by longjmp. Its output tells that it went right.
 *
 *	hops [regular|signals]		nothing is left by longjmp; and signals
 *					come all the time
 *	hops children			some begin in the midst of calls
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define APART __attribute__((noinline, noclone))

static jmp_buf out;
static volatile unsigned long sum;

APART static unsigned leaf(unsigned n)
{
	sum += n;
	return n * 2654435761u >> 7;
}

APART static unsigned helper(unsigned n)
{
	return leaf(n) ^ leaf(n + 1);
}

APART static unsigned tree(unsigned depth)
{
	unsigned n = helper(depth);

	if (depth)
		n += tree(depth - 1) + tree(depth - 1);
	return n + leaf(n);
}

APART static unsigned passes_on(unsigned n)
{
	sum ^= helper(n);
	return helper(n + 3);
}

APART static unsigned leaves(unsigned n)
{
	if (helper(n) % 5 == 0)
		longjmp(out, 1);
	return helper(n);
}

static unsigned (*const volatile kinds[])(unsigned) = { leaf, helper,
							passes_on };

APART static unsigned any(unsigned n)
{
	return kinds[n % 3](n) + helper(n);
}

/* A stub is called while it is being called. */
static int in_order(const void *a, const void *b)
{
	unsigned x[4], y = *(const unsigned *)b;

	memcpy(x, a, sizeof(*x));
	if (*x % 8)
		return (*x > y) - (*x < y);
	for (unsigned i = 0; i < 4; i++)
		x[i] = leaf(*x + i) | 1;
	qsort(x, 4, sizeof(*x), in_order);
	return (*(const unsigned *)a > y) - (*(const unsigned *)a < y);
}

APART static void sorts(void)
{
	unsigned all[200];

	for (unsigned i = 0; i < 200; i++)
		all[i] = leaf(helper(i));
	qsort(all, 200, sizeof(*all), in_order);
	sum += all[100];
}

APART static unsigned jumps(unsigned n)
{
	if (setjmp(out))
		return 1;
	return leaves(n);
}

/* --- what is regular ------------------------------------------------------ */

struct step;
typedef unsigned step_fn(const struct step *s, unsigned n);
struct step {
	step_fn *fn;
	const struct step *next;
};

APART static unsigned ends(const struct step *s, unsigned n)
{
	(void)s;
	return leaf(n);
}

/* On through a pointer, by a jump. */
APART static unsigned goes_on(const struct step *s, unsigned n)
{
	sum += n;
	s = s->next;
	return s->fn(s, n + 1);
}

/* ... to a function by its name. */
APART static unsigned goes_by_name(const struct step *s, unsigned n)
{
	sum ^= n;
	return n % 3 ? ends(s, n) : goes_on(s, n);
}

/* ... and the same while it is being called. */
APART static unsigned goes_again(const struct step *s, unsigned n)
{
	if (n % 4 == 0)
		sum += goes_by_name(s, n / 2) + (n ? s->fn(s, n / 4) : 0);
	s = s->next;
	return s->fn(s, n + 2);
}

/* On into the midst of another function, which reads flags there. */
unsigned sets_flags(unsigned n), reads_flags(unsigned n);

__asm__(".text\n"
	".type sets_flags, @function\n"
	"sets_flags:\n"
	"	cmpl $5, %edi\n"
	"	jmp 1f\n"
	".size sets_flags, . - sets_flags\n"
	".type reads_flags, @function\n"
	"reads_flags:\n"
	"	cmpl $7, %edi\n"
	"1:	jb 2f\n"
	"	leal 1(%rdi), %eax\n"
	"	ret\n"
	"2:	leal 2(%rdi), %eax\n"
	"	ret\n"
	".size reads_flags, . - reads_flags\n");

static const struct step *make_steps(void)
{
	static struct step steps[5];
	step_fn *const fns[] = { goes_again, goes_on, goes_by_name, goes_on,
				 ends };

	for (unsigned i = 0; i < 5; i++)
		steps[i] = (struct step){ fns[i], &steps[(i + 1) % 5] };
	return steps;
}

static unsigned (*volatile itself)(const struct step *s, unsigned depth);

APART static unsigned deep(const struct step *s, unsigned depth)
{
	unsigned n = s->fn(s, depth);

	if (depth)
		n += itself(s, depth - 1) + deep(s->next, depth - 1);
	return n + (unsigned)strlen("abcd" + n % 4);
}

static void regular(void)
{
	const struct step *s = make_steps();
	unsigned n = 0;

	itself = deep;
	for (unsigned i = 0; i < 20000; i++) {
		for (unsigned k = 0; k < 4; k++)
			n += s[k].fn(&s[k], i + k);
		n += any(i) + passes_on(i);
		n += sets_flags(i % 16) + reads_flags(i % 16);
	}
	for (unsigned i = 0; i < 4; i++) {
		n += deep(&s[i], 12);
		sorts();
	}
	printf("%u %lu\n", n, sum);
}

/* The next one comes a while after this one was handled, so that the program
 * gets on wherever a stop takes long. */
static const struct itimerval soon = { .it_value = { 0, 400 } };

static volatile unsigned handled;

/* It goes back by itself, which setitimer() does not for it. */
static void handler(int signo)
{
	(void)signo;
	setitimer(ITIMER_REAL, &soon, NULL);
	handled++;
}

static void with_signals(void)
{
	const struct itimerval never = { 0 };
	struct sigaction sa = { .sa_handler = handler };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	regular();
	setitimer(ITIMER_REAL, &never, NULL);
}

/* Now and then there is a child that calls what is being called already, by
 * calls that it has not made itself. */
APART static void bears(void);

APART static unsigned grows(unsigned n)
{
	bears();
	return helper(n) + (n ? grows(n - 1) : 0);
}

APART static void bears(void)
{
	static unsigned calls;
	pid_t child;

	if (++calls % 97)
		return;
	child = vfork();
	if (!child) {
		for (unsigned i = 0; i < 30; i++)
			sum += grows(i % 5);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void with_children(void)
{
	for (unsigned i = 0; i < 1000; i++)
		sum += grows(i % 7);
	printf("%lu\n", sum);
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	if (argc > 1 && !strcmp(argv[1], "signals")) {
		with_signals();
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "children")) {
		with_children();
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "regular")) {
		regular();
		return 0;
	}
	for (unsigned i = 0; i < 20000; i++)
		n += any(i) + jumps(i) + passes_on(i);
	sorts();
	n += tree(12);
	for (unsigned i = 0; i < 20000; i++)
		n += any(i) + (unsigned)strlen("abc" + i % 3);
	printf("%u %lu\n", n, sum);
	return 0;
}
