/* tr_rseq: restartable sequences, in the area that libc has registered. The
 * kernel must find a thread inside its section, or what it does there is not
 * restarted: counts are lost, handlers see a rip inside. */
#include "tr_run.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/rseq.h>
#include <sys/time.h>
#include <ucontext.h>

#define THREADS 4

static unsigned long counts[4096][8];

/* rdi: the area, rsi: the descriptor, rdx: a flag that ends it.
 * rax counts turns, rbx restarts. */
/* clang-format off */
PIECE(spin, "	xor %eax,%eax\n	xor %ebx,%ebx\n"
	    "1:	mov %rsi,8(%rdi)\n"
	    "	.globl spin_start, spin_end, spin_abort\n"
	    "spin_start:	inc %rax\n	cmpl $0,(%rdx)\n"
	    "	je spin_start\nspin_end:	movq $0,8(%rdi)\n	ret\n"
	    "	.long 0x53053053\n"
	    "spin_abort:	inc %rbx\n	cmpl $0,(%rdx)\n	je 1b");
/* The same, but who is aborted only arms the section again. */
PIECE(retry, "	xor %eax,%eax\n	xor %ebx,%ebx\n	jmp retry_abort\n"
	     "	.long 0x53053053\n"
	     "	.globl retry_start, retry_end, retry_abort\n"
	     "retry_abort:	mov %rsi,8(%rdi)\n"
	     "retry_start:	inc %rax\n	cmpl $0,(%rdx)\n"
	     "	je retry_start\nretry_end:	movq $0,8(%rdi)");
/* rdi: the area, rsi: the descriptor, rdx: counts, ecx: how often to add.
 * Between load and store lies a while; a call and a jump are in it, too. */
PIECE(add, "	xor %ebx,%ebx\n"
	   "1:	mov %rsi,8(%rdi)\n"
	   "	.globl add_start, add_end, add_abort\n"
	   "add_start:	mov 4(%rdi),%eax\n	shl $6,%rax\n"
	   "	mov (%rdx,%rax),%r8\n	mov $200,%r9d\n"
	   "2:	dec %r9d\n	jnz 2b\n"
	   "	lea 3f(%rip),%r10\n	jmp *%r10\n	ud2\n"
	   "3:	inc %r8\n	mov %r8,(%rdx,%rax)\n"
	   "add_end:	dec %ecx\n	jnz 1b\n	movq $0,8(%rdi)\n	ret\n"
	   "	.long 0x53053053\n"
	   "add_abort:	inc %rbx\n	jmp 1b");
/* As spin, with the abort handler on another page. Whoever searches for it
 * looks for a whole instruction, as rseq's own library has it. */
PIECE(away, "	xor %eax,%eax\n	xor %ebx,%ebx\n	jmp 1f\n"
	    "	.balign 4096\n"
	    "1:	mov %rsi,8(%rdi)\n"
	    "	.globl away_start, away_end, away_abort\n"
	    "away_start:	inc %rax\n	cmpl $0,(%rdx)\n"
	    "	je away_start\naway_end:	movq $0,8(%rdi)\n	ret\n"
	    "	.balign 4096\n	.byte 0x0f,0xb9,0x3d\n	.long 0x53053053\n"
	    "away_abort:	inc %rbx\n	cmpl $0,(%rdx)\n	je 1b");
/* clang-format on */
extern char spin_start[], spin_end[], spin_abort[];
extern char retry_start[], retry_end[], retry_abort[];
extern char add_start[], add_end[], add_abort[];
extern char away_start[], away_end[], away_abort[];

static struct rseq_cs spin_section __attribute__((aligned(32)));
static struct rseq_cs retry_section __attribute__((aligned(32)));
static struct rseq_cs add_section __attribute__((aligned(32)));
static struct rseq_cs away_section __attribute__((aligned(32)));

static void describe(struct rseq_cs *cs, char *start, char *end, char *abort_)
{
	memset(cs, 0, sizeof(*cs));
	cs->start_ip = (unsigned long)start;
	cs->post_commit_offset = (unsigned long)(end - start);
	cs->abort_ip = (unsigned long)abort_;
}

static unsigned long area(void)
{
	return (unsigned long)__builtin_thread_pointer() +
	       (unsigned long)__rseq_offset;
}

static volatile int caught, inside;
static int flag;

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	char *rip = (char *)uc->uc_mcontext.gregs[REG_RIP];

	(void)signo;
	(void)info;
	inside += rip >= spin_start && rip < spin_end;
	inside += rip >= retry_start && rip < retry_end;
	inside += rip >= away_start && rip < away_end;
	if (++caught == 20)
		flag = 1;
}

/* Runs a piece that spins in its section, until 20 signals have come. */
static void run_alarmed(struct tr_regs *r, void *piece, struct rseq_cs *cs,
			long microseconds)
{
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };
	struct itimerval none = { 0 };
	struct sigaction act = { .sa_sigaction = on_alarm,
				 .sa_flags = SA_SIGINFO };

	sigaction(SIGALRM, &act, NULL);
	caught = inside = flag = 0;
	tr_fill(r);
	r->rdi = area();
	r->rsi = (unsigned long)cs;
	r->rdx = (unsigned long)&flag;
	setitimer(ITIMER_REAL, &timer, NULL);
	tr_run(r, piece);
	setitimer(ITIMER_REAL, &none, NULL);
	EXPECT(inside, 0);
}

static void interrupted(void)
{
	struct tr_regs r;

	if (__rseq_size == 0)
		return;
	describe(&spin_section, spin_start, spin_end, spin_abort);
	run_alarmed(&r, spin, &spin_section, 2000);
	CHECK(r.rbx >= 10);
}

/* As fast as a follower may be, or faster. */
static void quickly(void)
{
	struct tr_regs r;

	if (__rseq_size == 0)
		return;
	describe(&spin_section, spin_start, spin_end, spin_abort);
	run_alarmed(&r, spin, &spin_section, 200);
}

static void aborted_far_away(void)
{
	struct tr_regs r;

	if (__rseq_size == 0)
		return;
	describe(&away_section, away_start, away_end, away_abort);
	run_alarmed(&r, away, &away_section, 2000);
	CHECK(r.rbx >= 10);
}

static void retried(void)
{
	struct tr_regs r;

	if (__rseq_size == 0)
		return;
	describe(&retry_section, retry_start, retry_end, retry_abort);
	run_alarmed(&r, retry, &retry_section, 2000);
}

/* Who comes to a section's end by itself goes on behind it: here by an
 * instruction that a follower may well have to look at. */
static void committed(void)
{
	struct tr_regs r;

	if (__rseq_size == 0)
		return;
	describe(&spin_section, spin_start, spin_end, spin_abort);
	flag = 1;
	for (int i = 0; i < 100; i++) {
		tr_fill(&r);
		r.rdi = area();
		r.rsi = (unsigned long)&spin_section;
		r.rdx = (unsigned long)&flag;
		tr_run(&r, spin);
		EXPECT(r.rax + r.rbx >= 1, 1);
	}
}

static void *add_thread(void *arg)
{
	struct tr_regs r;

	(void)arg;
	tr_fill(&r);
	r.rdi = area();
	r.rsi = (unsigned long)&add_section;
	r.rdx = (unsigned long)counts;
	r.rcx = 100000;
	tr_run(&r, add);
	return (void *)r.rbx;
}

static void counted(void)
{
	unsigned long sum = 0;
	pthread_t t[THREADS];

	if (__rseq_size == 0)
		return;
	describe(&add_section, add_start, add_end, add_abort);
	memset(counts, 0, sizeof(counts));
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, add_thread, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4096; i++)
		sum += counts[i][0];
	EXPECT(sum, THREADS * 100000);
}

/* The number of the processor that the kernel keeps there is right. */
static void processor(void)
{
	const struct rseq *rseq = (const struct rseq *)area();
	cpu_set_t all, one;

	if (__rseq_size == 0)
		return;
	sched_getaffinity(0, sizeof(all), &all);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof(one), &one);
		EXPECT(*(volatile unsigned int *)&rseq->cpu_id, i);
		EXPECT(sched_getcpu(), i);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "interrupted", interrupted },
		{ "quickly", quickly },
		{ "aborted_far_away", aborted_far_away },
		{ "retried", retried },
		{ "committed", committed },
		{ "counted", counted },
		{ "processor", processor },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
