/* tr_excluded: functions in a section of their own, "excluded", called in every
 * way: directly, by a register, a pointer, a table, a tail jump, a PLT. They
 * return, throw, catch, jump out, call back, are interrupted, look who called
 * them and what is on the stack. */
#include "tr.h"
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <ctime>
#include <exception>
#include <execinfo.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/wait.h>

#define EXCLUDED extern "C" __attribute__((noinline, section("excluded")))

extern "C" char __start_excluded[], __stop_excluded[];
volatile long over, spinning, turns;
static jmp_buf out;

/* 3 x + 1 */
extern "C" long plain(long x);
__asm__(".section excluded, \"ax\"\n"
	".globl plain, plain_middle\n"
	".type plain, @function\n"
	"plain:\n"
	"	lea	(%rdi,%rdi,2), %rax\n"
	"plain_middle:\n"
	"	add	$1, %rax\n"
	"	ret\n"
	".size plain, . - plain\n"
	".text\n");

EXCLUDED long plainly(long x)
{
	return plain(x) + plain(x + 1);
}

EXCLUDED long thrower(long x)
{
	if (x > 0)
		throw x;
	return x;
}

EXCLUDED long catcher(long x)
{
	try {
		return thrower(x);
	} catch (long y) {
		return y + 1;
	}
}

EXCLUDED long calls_back(long (*f)(long), long x)
{
	return f(x) + 1;
}

EXCLUDED void jumps_out(int x)
{
	longjmp(out, x);
}

EXCLUDED void *who_calls(void)
{
	return __builtin_return_address(0);
}

EXCLUDED int frames(void)
{
	void *all[64];

	return backtrace(all, 64);
}

EXCLUDED long spin(volatile long *until)
{
	long n = 0;

	do
		turns = ++n;
	while (!*until);
	return n;
}

__attribute__((noinline)) static long followed(long x)
{
	return plain(x) * 2;
}

__attribute__((noinline)) static long followed_thrower(long x)
{
	return thrower(x) * 2;
}

/* --- ways to call -------------------------------------------------------- */

extern "C" long tail_jump(long x);
__asm__(".text\n"
	".type tail_jump, @function\n"
	"tail_jump:\n"
	"	add	$1, %rdi\n"
	"	jmp	plain\n"
	".size tail_jump, . - tail_jump\n");

static long by_register(long x)
{
	long r;

	__asm__ volatile("lea	plain(%%rip), %%rax\n\t"
			 "call	*%%rax"
			 : "=a"(r), "+D"(x)::"rcx", "rdx", "rsi", "r8", "r9",
			   "r10", "r11", "memory", "cc");
	return r;
}

static long (*volatile pointer)(long) = plain;
static long (*const volatile table[])(long) = { plain, plainly, tail_jump };

static void called(void)
{
	long sum = 0;

	for (long i = 0; i < 3000; i++) {
		sum += plain(i) + by_register(i) + pointer(i);
		sum += table[i % 3](i) + tail_jump(i);
	}
	say("%ld", sum);
}

/* Flags that are set before a call, and used behind it. */
static void flags_kept(void)
{
	long wrong = 0;

	for (long i = 0; i < 1000; i++) {
		long carry, set = i & 1;

		__asm__ volatile("neg	%1\n\t"
				 "call	1f\n\t"
				 "setc	%%al\n\t"
				 "movzbl	%%al, %%eax\n\t"
				 "jmp	2f\n\t"
				 ".pushsection excluded\n"
				 "1:	mov	%%rax, %%rax\n\t"
				 "ret\n\t"
				 ".popsection\n"
				 "2:"
				 : "=a"(carry), "+r"(set)::"cc", "memory");
		wrong += carry != (i & 1);
	}
	EXPECT(wrong, 0);
	say("ok");
}

static void by_plt(void)
{
	char text[64] = "some text";
	long sum = 0;

	for (long i = 0; i < 3000; i++) {
		text[i % 9] = (char)('a' + i % 26);
		sum += (long)strlen(text) + strcmp(text, "some") +
		       (long)strtol("12", nullptr, 0);
	}
	say("%ld", sum);
}

/* --- ways to return ------------------------------------------------------ */

/* Thrown out of excluded code, into it, and within. */
static void thrown(void)
{
	long sum = 0;

	for (long i = 0; i < 1000; i++) {
		try {
			sum += thrower(i % 2);
		} catch (long x) {
			sum += 10 * x + followed(x);
		}
		try {
			sum += calls_back(followed_thrower, i % 2);
		} catch (long x) {
			sum += 100 * x;
		}
		sum += catcher(i % 2);
	}
	say("%ld", sum);
}

static void not_caught(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		std::set_terminate([] { _exit((int)followed(2)); });
		thrower(1);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	say("%d", WEXITSTATUS(status));
}

static void jumped(void)
{
	volatile long sum = 0;

	for (volatile int i = 1; i < 1000; i++) {
		int r = setjmp(out);

		if (!r)
			jumps_out(i);
		sum += r + followed(r);
	}
	say("%ld", sum);
}

static void called_back(void)
{
	long sum = 0;

	for (long i = 0; i < 1000; i++)
		sum += calls_back(followed, i) + calls_back(plain, i);
	say("%ld", sum);
}

/* --- who looks at the stack ---------------------------------------------- */

static void looked_at(void)
{
	uintptr_t at = (uintptr_t)who_calls();
	uintptr_t here = (uintptr_t)looked_at;

	EXPECT(at > here && at < here + 512, 1);
	EXPECT(__stop_excluded - __start_excluded > 100, 1);
	say("%d frames", frames());
}

static volatile int in_handler;

static void alarm_soon()
{
	struct itimerval soon = { { 0, 0 }, { 0, 3000 } };

	setitimer(ITIMER_REAL, &soon, nullptr);
}

/* Who is stopped for a while has it before it spins. */
static void on_alarm(int)
{
	if (!turns) {
		alarm_soon();
		return;
	}
	in_handler = frames() - (int)(followed(1) & 0);
	over = 1;
}

static void interrupted(void)
{
	signal(SIGALRM, on_alarm);
	for (int i = 0; i < 20; i++) {
		over = turns = 0;
		alarm_soon();
		EXPECT(spin(&over) > 0, 1);
	}
	say("%d frames", in_handler);
}

/* --- threads and processes ----------------------------------------------- */

static void *spins(void *)
{
	__atomic_fetch_add(&spinning, 1, __ATOMIC_SEQ_CST);
	return (void *)(spin(&over) > 0);
}

static void in_threads(void)
{
	pthread_t all[4];
	void *r;
	long sum = 0;

	over = spinning = 0;
	for (auto &t : all)
		pthread_create(&t, nullptr, spins, nullptr);
	while (spinning < 4)
		usleep(1000);
	/* A child has no such threads. */
	if (!fork())
		_exit(0);
	wait(nullptr);
	over = 1;
	for (auto &t : all) {
		pthread_join(t, &r);
		sum += (long)r;
	}
	say("%ld", sum);
}

/* For who looks from outside: until over is set. */
static void until_over(void)
{
	long sum = 0;

	over = 0;
	puts("ready");
	fflush(stdout);
	while (!over)
		sum += spin(&over) > 0;
	say("%ld", sum);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "called", called },	      { "flags_kept", flags_kept },
		{ "by_plt", by_plt },	      { "thrown", thrown },
		{ "not_caught", not_caught }, { "jumped", jumped },
		{ "called_back", called_back }, { "looked_at", looked_at },
		{ "interrupted", interrupted }, { "in_threads", in_threads },
		{ "until_over", until_over },
	};

	/* The last one is for those who name it. */
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases) - (argc < 2));
}
