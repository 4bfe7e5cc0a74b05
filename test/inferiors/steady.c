/*
 * A program that minds its own text: steady FILE INTERVAL-US THREADS [WHAT]
 * calls ten functions in turn, one every INTERVAL-US, in each of THREADS
 * threads, and keeps in FILE what it has done and a checksum of its text as it
 * reads it. WHAT: fork, vfork, signals go on beside that.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUNCTIONS 10

/* test/rsp.py reads it: 8-byte words. */
struct report {
	volatile uint64_t count;	/* calls made */
	volatile uint64_t sum_first;	/* of the text, when it started */
	volatile uint64_t sum_now;	/* and not long ago */
	volatile uint64_t sums;		/* how many were taken */
	volatile uint64_t children;	/* that ended well */
	volatile uint64_t bad_children;
	volatile uint64_t signals;	/* handled */
	volatile uint64_t wrong;	/* results that are not what they must be */
	uint64_t watch;			/* address of a variable that changes */
	uint64_t function[FUNCTIONS];
};

static struct report *report;
static useconds_t interval;
static volatile uint64_t watched;
static volatile uint32_t data = 7;

extern const char __executable_start[], etext[];

#define FUNCTION __attribute__((noinline, noclone)) static uint64_t

/* First instructions of many kinds, for these are what is stepped over. */
FUNCTION f_load(uint64_t n)
{
	uint32_t v;

	__asm__ volatile("movl %1, %0" : "=r"(v) : "m"(data));
	return n + v;
}

FUNCTION f_push(uint64_t n)
{
	uint64_t v;

	__asm__ volatile("push %1; pop %0" : "=r"(v) : "r"(n));
	return v + 7;
}

__attribute__((naked)) static uint64_t f_syscall(uint64_t n)
{
	(void)n;
	__asm__ volatile("lea 7(%rdi), %rdx; mov $39, %eax; jmp 1f\n"
			 "1: syscall; mov %rdx, %rax; ret");
}

__attribute__((naked)) static uint64_t f_sleep(uint64_t n)
{
	(void)n;
	/* poll(NULL, 0, 1) at once: its number and arguments are one mov */
	__asm__ volatile("push %rdi; mov $7, %eax; xor %edi, %edi;"
			 "xor %esi, %esi; mov $1, %edx\n"
			 ".globl steady_syscall\n"
			 "steady_syscall: syscall; pop %rax; add $7, %rax; ret");
}

extern const char steady_syscall[];

FUNCTION f_call(uint64_t n)
{
	return f_push(n);
}

__attribute__((naked)) static uint64_t f_jump(uint64_t n)
{
	(void)n;
	__asm__ volatile("jmp 1f; ud2; 1: lea 7(%rdi), %rax; ret");
}

__attribute__((naked)) static uint64_t f_branch(uint64_t n)
{
	(void)n;
	__asm__ volatile("jrcxz 1f; 1: lea 7(%rdi), %rax; ret");
}

__attribute__((naked)) static uint64_t f_direct(uint64_t n)
{
	(void)n;
	__asm__ volatile("call 1f; ret; 1: lea 7(%rdi), %rax; ret");
}

FUNCTION f_vector(uint64_t n)
{
	uint64_t v;

	__asm__ volatile("movq %1, %%xmm0; movq %%xmm0, %0"
			 : "=r"(v) : "r"(n) : "xmm0");
	return v + 7;
}

FUNCTION f_write(uint64_t n)
{
	watched = n;
	return n + 7;
}

static uint64_t (*const functions[FUNCTIONS])(uint64_t) = {
	f_load, f_push, f_syscall, f_sleep, f_call,
	f_jump, f_branch, f_direct, f_vector, f_write,
};

static uint64_t checksum(void)
{
	uint64_t sum = 0;

	for (const char *p = __executable_start; p < etext; p++)
		sum = sum * 31 + *(const unsigned char *)p;
	return sum;
}

static void call_all(void)
{
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		uint64_t n = report->count;

		if (functions[i](n) != n + 7)
			report->wrong++;
		__atomic_add_fetch(&report->count, 1, __ATOMIC_RELAXED);
		if (interval)
			usleep(interval);
	}
}

static void *worker(void *arg)
{
	for (;;)
		call_all();
	return arg;
}

static void *summer(void *arg)
{
	for (;;) {
		report->sum_now = checksum();
		report->sums++;
		usleep(20000);
	}
	return arg;
}

static void note_child(int status)
{
	if (status == 0)
		report->children++;
	else
		report->bad_children++;
}

static void *forker(void *arg)
{
	int status;

	for (;; usleep(10000)) {
		pid_t pid = fork();

		if (pid == 0) {
			for (unsigned i = 0; i < FUNCTIONS; i++) {
				if (functions[i](i) != i + 7)
					_exit(1);
			}
			_exit(0);
		}
		waitpid(pid, &status, 0);
		note_child(status);
	}
	return arg;
}

static void *vforker(void *arg)
{
	char *const argv[] = { "true", NULL };
	int status;
	pid_t pid;

	for (;; usleep(10000)) {
		pid = vfork();
		if (pid == 0) {
			f_push(1);
			f_load(1);
			execv("/bin/true", argv);
			_exit(1);
		}
		waitpid(pid, &status, 0);
		note_child(status);
	}
	return arg;
}

/* A return address in a frame, or the context, must not lie outside. */
static void on_signal(int signo, siginfo_t *si, void *context)
{
	(void)signo, (void)si, (void)context;
	__atomic_add_fetch(&report->signals, 1, __ATOMIC_RELAXED);
}

static void start(void *(*fn)(void *))
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, NULL))
		abort();
}

static void start_signals(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};
	struct itimerval it = { { 0, 3000 }, { 0, 3000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 4 ? argv[4] : "";
	int fd;

	if (argc < 4)
		return 2;
	fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*report)) < 0)
		return 2;
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	interval = (useconds_t)atoi(argv[2]);
	report->sum_first = report->sum_now = checksum();
	report->watch = (uintptr_t)&watched;
	for (unsigned i = 0; i < FUNCTIONS; i++)
		report->function[i] = (uintptr_t)functions[i];
	report->function[3] = (uintptr_t)steady_syscall;
	for (int i = 1; i < atoi(argv[3]); i++)
		start(worker);
	start(summer);
	if (!strcmp(what, "fork"))
		start(forker);
	if (!strcmp(what, "vfork"))
		start(vforker);
	if (!strcmp(what, "signals"))
		start_signals();
	worker(NULL);
}
