/*
 * System calls that a debuggee is made to execute: what they return, and that
 * the program notices nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "target/syscalls.h"
#include "test/arch-find.h"
#include "test/unit/executes.h"
#include "test/unit/traced.h"

#define NO_ARGS ((const uint64_t[6]){ 0 })

static int64_t call(struct traced *d, long nr, const uint64_t args[6])
{
	return d->t->ops->inject->call(d->t, traced_thread(d), nr, args);
}

static void some_calls(struct traced *d)
{
	const uint64_t bad[6] = { 1, 4096 }, six[6] = {
		0,   8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1,
		4096 /* looked at, although there is no file */
	};
	int64_t at;

	for (int i = 0; i < 10; i++)
		assert_int_equal(call(d, SYS_getpid, NO_ARGS), d->pid);
	assert_int_equal(call(d, SYS_munmap, bad), -EINVAL);
	at = call(d, SYS_mmap, six);
	assert_true(at > 0);
	assert_int_equal(call(d, SYS_munmap, (const uint64_t[6]){ at, 8192 }),
			 0);
}

/* --- registers ----------------------------------------------------------- */

/* Every register has a value that no other has, and keeps it. */
static void spin(struct traced_shared *s)
{
	__asm__ volatile("movl $1, (%0)\n\t"
			 "mov %%rsp, %%rbx\n\t"
			 "mov $0x1111, %%eax\n\t"
			 "mov $0x3333, %%ecx\n\t"
			 "mov $0x4444, %%edx\n\t"
			 "mov $0x5555, %%esi\n\t"
			 "mov $0x6666, %%edi\n\t"
			 "mov $0x7777, %%r8d\n\t"
			 "mov $0x8888, %%r9d\n\t"
			 "mov $0x9999, %%r10d\n\t"
			 "mov $0xaaaa, %%r11d\n\t"
			 "mov $0xbbbb, %%r12d\n\t"
			 "mov $0xcccc, %%r13d\n\t"
			 "mov $0xdddd, %%r14d\n\t"
			 "mov $0xeeee, %%r15d\n\t"
			 "stc\n"
			 "1: jmp 1b"
			 :
			 : "a"(&s->ready)
			 : "memory");
}

static void read_regs(struct traced *d, struct user_regs_struct *r)
{
	target_regs_flush(d->t, traced_thread(d));
	assert_int_equal(ptrace(PTRACE_GETREGS, d->pid, 0, r), 0);
}

static void test_registers(void **state)
{
	struct traced *d = traced_start(spin);
	struct user_regs_struct before, after;

	(void)state;
	/* ready comes before the registers. */
	do {
		traced_resume(d, (struct ptid){ -1, -1 }, 0);
		usleep(1000);
		traced_stop(d);
		read_regs(d, &before);
	} while (before.r15 != 0xeeee);
	some_calls(d);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	traced_stop(d);
	read_regs(d, &after);
	assert_memory_equal(&after, &before, sizeof(before));
	traced_end(d);
}

/* What the layer above has written counts, and is not lost. */
static void test_written_register(void **state)
{
	struct traced *d = traced_start(spin);
	const struct arch *a = traced_thread(d)->proc->arch;
	uint64_t v = 0x1234567, back;
	int r12 = arch_reg_find(a, "r12");

	(void)state;
	assert_int_equal(target_reg_write(d->t, traced_thread(d), r12, &v), 0);
	some_calls(d);
	assert_int_equal(target_reg_u64(d->t, traced_thread(d), r12, &back), 0);
	assert_int_equal(back, v);
	traced_end(d);
}

/* --- calls under way ----------------------------------------------------- */

static bool is_in_call(const struct traced *d, long nr)
{
	char text[128];

	return file_peek(text, sizeof(text), "/proc/%d/syscall", d->pid) > 0 &&
	       atol(text) == nr;
}

/* Sets it going, and stops it in that call. */
static void stop_in(struct traced *d, long nr)
{
	d->shared->go = 1;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	while (!is_in_call(d, nr))
		traced_goes_on(d);
	traced_stop(d);
}

static int pipe_fd[2];

static void read_byte(struct traced_shared *s)
{
	char c = 0;

	s->ready = 1;
	traced_wait_for(&s->go);
	if (read(pipe_fd[0], &c, 1) != 1 || c != 'x')
		_exit(1);
}

static void test_blocked(void **state)
{
	struct traced *d;

	(void)state;
	assert_int_equal(pipe(pipe_fd), 0);
	d = traced_start(read_byte);
	stop_in(d, SYS_read);
	some_calls(d);
	stop_in(d, SYS_read); /* it is, again */
	some_calls(d);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	traced_ends(d);
	traced_end(d);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* A call that the kernel restarts by another one. */
static void sleep_on(struct traced_shared *s)
{
	struct timespec ts = { 0, 300000000 }, from, to;

	s->ready = 1;
	traced_wait_for(&s->go);
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL))
		_exit(1);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (to.tv_sec == from.tv_sec && to.tv_nsec - from.tv_nsec < ts.tv_nsec)
		_exit(2);
}

static void test_asleep(void **state)
{
	struct traced *d = traced_start(sleep_on);

	(void)state;
	stop_in(d, SYS_clock_nanosleep);
	some_calls(d);
	traced_ends(d);
	traced_end(d);
}

/* At the entry of a call: that is made afterwards, and told as it would be. */
static void ask_parent(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	if (syscall(SYS_getppid) != s->v[0])
		_exit(1);
}

static void test_at_entry(void **state)
{
	struct traced *d = traced_start(ask_parent);
	struct syscall_set *set =
		syscall_set_new(&(uint32_t){ SYS_getppid }, 1);
	struct stop st;

	(void)state;
	d->shared->v[0] = getpid();
	d->shared->go = 1;
	assert_int_equal(d->t->ops->syscall->catch (
				 d->t, process_find(d->t, d->pid), set),
			 0);
	st = traced_run(d, 0);
	assert_int_equal(st.kind, STOP_SYSCALL_ENTRY);
	some_calls(d);
	st = traced_run(d, 0);
	assert_int_equal(st.kind, STOP_SYSCALL_RETURN);
	assert_int_equal(st.code, SYS_getppid);
	some_calls(d);
	traced_ends(d);
	traced_end(d);
}

/* --- signals ------------------------------------------------------------- */

static struct traced_shared *handler_data;

static void on_signal(int signo, siginfo_t *si, void *context)
{
	(void)context;
	handler_data->v[0] = signo;
	handler_data->v[1] = si->si_value.sival_int;
	handler_data->v[2] = si->si_code;
}

/* Exits well when nothing about its signals has changed. */
static void handle(struct traced_shared *s)
{
	struct sigaction sa = { .sa_sigaction = on_signal,
				.sa_flags = SA_SIGINFO },
			 now;
	sigset_t set, mask;

	handler_data = s;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	s->ready = 1;
	traced_wait_for(&s->go);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	if (memcmp(&mask, &set, _NSIG / 8))
		_exit(1);
	sigaction(SIGTRAP, NULL, &now);
	if (now.sa_sigaction != on_signal)
		_exit(2);
}

static void test_signals_kept(void **state)
{
	struct traced *d = traced_start(handle);

	(void)state;
	some_calls(d);
	d->shared->go = 1;
	traced_ends(d);
	traced_end(d);
}

/* The signal of the stop is delivered with all that came with it. */
static void test_signal_of_stop(void **state)
{
	struct traced *d = traced_start(handle);
	struct stop st;

	(void)state;
	sigqueue(d->pid, SIGUSR1, (union sigval){ .sival_int = 42 });
	st = traced_run(d, 0);
	assert_int_equal(st.kind, STOP_SIGNAL);
	assert_int_equal(st.signo, SIGUSR1);
	some_calls(d);
	d->shared->go = 1;
	st = traced_run(d, SIGUSR1);
	assert_int_equal(st.kind, STOP_EXITED);
	assert_int_equal(st.code, 0);
	assert_int_equal(d->shared->v[0], SIGUSR1);
	assert_int_equal(d->shared->v[1], 42);
	assert_int_equal(d->shared->v[2], SI_QUEUE);
	traced_end(d);
}

/* What comes while it is stopped is told later, whatever can block it. */
static void comes_later(int signo)
{
	struct traced *d = traced_start(handle);
	struct stop st;

	syscall(SYS_tgkill, d->pid, d->pid, signo);
	some_calls(d);
	st = traced_run(d, 0);
	assert_int_equal(st.kind, STOP_SIGNAL);
	assert_int_equal(st.signo, signo);
	d->shared->go = 1;
	traced_ends(d);
	traced_end(d);
}

static void test_signal_waits(void **state)
{
	(void)state;
	comes_later(SIGUSR1);
	comes_later(SIGTRAP);
	comes_later(SIGSEGV);
	comes_later(SIGSTOP);
}

static void count(struct traced_shared *s)
{
	s->ready = 1;
	while (!s->go)
		s->v[0]++;
}

static bool counts(const struct traced *d)
{
	long was = d->shared->v[0];

	usleep(20000);
	return d->shared->v[0] != was;
}

/* Takes in what is not told. */
static void pump(struct traced *d)
{
	struct stop st;

	for (int i = 0; i < 5; i++)
		assert_int_equal(d->t->ops->next_event(d->t, &st, true), 0);
}

/* A program that is stopped as such stays so, until its SIGCONT. */
static void test_job_stop(void **state)
{
	struct traced *d = traced_start(count);
	struct stop st;

	(void)state;
	sigaddset(&d->t->pass_signals, SIGCONT);
	kill(d->pid, SIGSTOP);
	st = traced_run(d, 0);
	assert_int_equal(st.signo, SIGSTOP);
	traced_resume(d, (struct ptid){ -1, -1 }, SIGSTOP);
	pump(d);
	traced_stop(d);
	some_calls(d);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	pump(d);
	assert_false(counts(d));
	kill(d->pid, SIGCONT);
	for (int i = 0; i < 100 && !counts(d); i++)
		pump(d);
	assert_true(counts(d));
	d->shared->go = 1;
	traced_ends(d);
	traced_end(d);
}

static void *sleep_long(void *arg)
{
	struct traced_shared *s = arg;

	s->v[1] = gettid();
	s->ready = 1;
	for (;;)
		pause();
	return NULL;
}

static void count_beside(struct traced_shared *s)
{
	pthread_t t;

	pthread_create(&t, NULL, sleep_long, s);
	traced_wait_for(&s->ready);
	count(s);
}

/* It comes while the thread is stopped by us, and by way of another. */
static void test_job_stop_beside(void **state)
{
	struct traced *d = traced_start(count_beside);
	struct ptid beside = { d->pid, (pid_t)d->shared->v[1] };
	struct stop st;

	(void)state;
	syscall(SYS_tgkill, d->pid, beside.tid, SIGSTOP);
	traced_resume(d, beside, 0);
	st = traced_event(d);
	assert_int_equal(st.signo, SIGSTOP);
	traced_resume(d, beside, SIGSTOP);
	usleep(20000); /* too short is well, too */
	some_calls(d);
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	pump(d);
	assert_false(counts(d));
	traced_end(d);
}

static void test_killed(void **state)
{
	struct traced *d = traced_start(handle);

	(void)state;
	kill(d->pid, SIGKILL);
	usleep(10000);
	assert_int_equal(call(d, SYS_getpid, NO_ARGS), -ESRCH);
	traced_end(d);
}

/* --- where it is not possible -------------------------------------------- */

static void filter(struct traced_shared *s)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { 1, &allow };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	s->v[0] = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
	s->ready = 1;
	traced_wait_for(&s->go);
}

static void test_filter(void **state)
{
	struct traced *d = traced_start(filter);

	(void)state;
	assert_int_equal(d->shared->v[0], 0);
	assert_int_equal(call(d, SYS_getpid, NO_ARGS), -EPERM);
	d->shared->go = 1;
	traced_ends(d);
	traced_end(d);
}

/* A filter that comes between two stops is seen at the second. */
static void filter_late(struct traced_shared *s)
{
	s->ready = 1;
	traced_wait_for(&s->go);
	s->go = 0;
	filter(s);
}

static void test_late_filter(void **state)
{
	struct traced *d = traced_start(filter_late);

	(void)state;
	some_calls(d);
	d->shared->ready = 0;
	d->shared->go = 1;
	traced_resume(d, (struct ptid){ -1, -1 }, 0);
	while (!d->shared->ready)
		traced_goes_on(d);
	traced_stop(d);
	assert_int_equal(call(d, SYS_getpid, NO_ARGS), -EPERM);
	d->shared->go = 1;
	traced_ends(d);
	traced_end(d);
}

static void test_i386(void **state)
{
	char path[4096];
	char *argv[] = { path, NULL }, *envp[] = { NULL };
	const struct launch_spec spec = { .argv = argv, .envp = envp };
	struct target *t;
	struct err e;
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "%s/calls-i386", getenv("TS_INFERIORS"));
	if (!executes(path))
		skip();
	t = linux_target_new();
	pid = t->ops->launch(t, &spec, &e);
	if (pid < 0)
		fail_msg("%s", e.text);
	assert_int_equal(t->ops->inject->call(t, thread_find(t, pid),
					      SYS_getpid, NO_ARGS),
			 -ENOTSUP);
	t->ops->free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_written_register),
		cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_asleep),
		cmocka_unit_test(test_at_entry),
		cmocka_unit_test(test_signals_kept),
		cmocka_unit_test(test_signal_of_stop),
		cmocka_unit_test(test_signal_waits),
		cmocka_unit_test(test_job_stop),
		cmocka_unit_test(test_job_stop_beside),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_late_filter),
		cmocka_unit_test(test_i386),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
