/*
 * For tests of following single threads: a child with two threads, which run
 * each its own code and do, on demand, what matters to others.
 */
#ifndef TEST_TRANSLATE_TWO_THREADS_H
#define TEST_TRANSLATE_TWO_THREADS_H

#include "test/translate/stalker.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* clang-format off */
SNIPPET(first_code,
	"xor %eax, %eax\n"
"first_loop:\n"
	"call both_call\n"
"first_back:\n"
	"dec %rsi\n"
	"jne first_loop\n"
	"ret");
SNIPPET(second_code,
	"xor %eax, %eax\n"
"second_loop:\n"
	"call both_call\n"
"second_back:\n"
	"inc %rax\n"
	"dec %rsi\n"
	"jne second_loop\n"
	"ret");
SNIPPET(both_call,
	"add $2, %rax\n"
	"ret");
/* clang-format on */

extern const char first_back[], second_back[];

#define CALLS 200 /* a turn */
#define PAGE  4096

/* Of traced_shared: turns of either, what was wrong, ids, and a task for the
 * one whose V_FIRST or V_SECOND it has in its higher bits. */
enum { V_FIRST = 1, V_SECOND, V_WRONG, V_TID, V_MADE, V_TASK, V_DONE };
enum task { NOTHING, MAKE_THREAD, PROTECT, MAP, WRITE, FORK, EXEC };

static struct traced_shared *here;

/* --- code that one changes and the other runs ------------------------------
 */

static uint8_t *generated;
static _Atomic long published, ran;

static inline void generate(uint8_t *at, long which)
{
	const uint8_t code[] = { 0xb8, (uint8_t)which, 0, 0, 0, 0xc3 };

	memcpy(at, code, sizeof(code));
}

/* Another page at the same place, without a store there. */
static inline void map_again(long which)
{
	uint8_t *fresh = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	generate(fresh, which);
	mprotect(fresh, PAGE, PROT_READ | PROT_EXEC);
	if (mremap(fresh, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   generated) == MAP_FAILED)
		here->v[V_WRONG]++;
}

static inline void change(enum task task)
{
	long which = published % 100 + 1;

	if (task == MAP) {
		map_again(which);
	} else if (task == PROTECT) {
		mprotect(generated, PAGE, PROT_READ | PROT_WRITE);
		generate(generated, which);
		mprotect(generated, PAGE, PROT_READ | PROT_EXEC);
	} else {
		mprotect(generated, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
		generate(generated, which);
	}
	published = which;
	while (ran != which)
		sched_yield();
}

static inline void run_generated(void)
{
	long which = published;

	if (which == ran)
		return;
	if (snippet_call((char *)generated, NULL, 0) != which)
		here->v[V_WRONG]++;
	ran = which;
}

/* --- what else they do -----------------------------------------------------
 */

static inline void *made(void *arg)
{
	here->v[V_MADE] = syscall(SYS_gettid);
	while (!here->v[V_END])
		if (snippet_call(second_code, NULL, CALLS) != 3l * CALLS)
			here->v[V_WRONG]++;
	return arg;
}

static inline void make_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(snippet_call(second_code, NULL, 5) == 15 ? 7 : 8);
	if (waitpid(pid, &status, 0) != pid || status != 7 << 8)
		here->v[V_WRONG]++;
}

static inline void do_task(enum task task)
{
	pthread_t t;

	if (task == MAKE_THREAD)
		pthread_create(&t, NULL, made, NULL);
	else if (task == FORK)
		make_child();
	else if (task == EXEC)
		execl("/bin/true", "true", NULL);
	else
		change(task);
}

static inline void turn(long me, const char *code, long want)
{
	long task = here->v[V_TASK];

	if (snippet_call(code, NULL, CALLS) != want)
		here->v[V_WRONG]++;
	if (task && task >> 8 == me) {
		here->v[V_TASK] = 0;
		do_task(task & 255);
		here->v[V_DONE]++;
	} else {
		run_generated();
	}
	here->v[me]++;
}

static inline void *second(void *arg)
{
	here->v[V_TID] = syscall(SYS_gettid);
	while (!here->v[V_END])
		turn(V_SECOND, second_code, 3l * CALLS);
	return arg;
}

static inline void run_two(struct traced_shared *s)
{
	pthread_t other;

	here = s;
	generated = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	generate(generated, 1);
	published = 1;
	pthread_create(&other, NULL, second, NULL);
	while (!s->v[V_TID])
		usleep(100);
	s->ready = 1;
	traced_wait_for(&s->go);
	while (!s->v[V_END])
		turn(V_FIRST, first_code, 2l * CALLS);
	pthread_join(other, NULL);
}

/* --- the test's side -------------------------------------------------------
 */

static inline struct thread *two_thread(struct stalker *s, int which)
{
	pid_t tid =
		which == V_FIRST ? s->d->pid : (pid_t)s->d->shared->v[V_TID];
	struct thread *th = thread_find(s->d->t, tid);

	assert_non_null(th);
	return th;
}

static inline void two_follow(struct stalker *s, int which, int mode,
			      bool alone)
{
	struct err e = { 0 };

	if (translate_follow_thread(s->d->t, two_thread(s, which), mode, alone,
				    &e) < 0)
		fail_msg("%s", e.text);
}

static inline void two_unfollow(struct stalker *s, int which)
{
	translate_unfollow_thread(s->d->t, two_thread(s, which));
}

static inline void two_run(struct stalker *s)
{
	traced_resume(s->d, (struct ptid){ -1, -1 }, 0);
}

static inline void two_halt(struct stalker *s)
{
	s->d->t->ops->halt(s->d->t);
}

/* Nothing is told. */
static inline void two_pump(struct stalker *s, unsigned times)
{
	struct stop st;

	while (times--) {
		if (s->d->t->ops->next_event(s->d->t, &st, true))
			fail_msg("%d: stop %d signal %d code %d", st.id.tid,
				 st.kind, st.signo, st.code);
	}
}

/* ... while they run until it is so. */
typedef bool two_when_fn(struct stalker *s, long arg);

static inline void two_until(struct stalker *s, two_when_fn *is_so, long arg)
{
	struct pollfd pfd = { .fd = s->d->t->ops->event_fd(s->d->t),
			      .events = POLLIN };

	while (!is_so(s, arg)) {
		two_pump(s, 1);
		poll(&pfd, 1, 1);
	}
}

static inline bool two_done(struct stalker *s, long n)
{
	return s->d->shared->v[V_DONE] >= n;
}

/* arg: what either is to have come to. */
static inline bool two_turned(struct stalker *s, long arg)
{
	const long *goal = (const long *)arg;

	return s->d->shared->v[V_FIRST] >= goal[0] &&
	       s->d->shared->v[V_SECOND] >= goal[1];
}

/* Both have some more turns. */
static inline void two_turns(struct stalker *s)
{
	const long goal[2] = { s->d->shared->v[V_FIRST] + 3,
			       s->d->shared->v[V_SECOND] + 3 };

	two_until(s, two_turned, (long)goal);
}

static inline void two_task(struct stalker *s, int which, enum task task)
{
	long n = s->d->shared->v[V_DONE] + 1;

	s->d->shared->v[V_TASK] = (long)which << 8 | (long)task;
	two_until(s, two_done, n);
}

static inline struct stalker *two_attach(void)
{
	struct stalker *s = calloc(1, sizeof(*s));

	stalker_attach(s, run_two);
	s->d->shared->go = 1;
	return s;
}

/* That one is followed, and both run. */
static inline struct stalker *two_start(int which, int mode)
{
	struct stalker *s = two_attach();

	two_follow(s, which, mode, false);
	two_run(s);
	return s;
}

static inline void two_ends(struct stalker *s)
{
	stalker_exits(s);
	assert_int_equal(s->d->shared->v[V_WRONG], 0);
	assert_int_equal(translate_stats(s->d->t)->refused, 0);
	stalker_free(s);
}

#endif
