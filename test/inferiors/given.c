/* given: four threads call at() until `over'; a handler of SIGUSR1 and SIGUSR2
 * counts, and what of it returns to another place than this program's, as
 * strays. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#define N 4

extern char __executable_start, etext;
volatile int there, over, handled, strays;
volatile uintptr_t strayed;

__attribute__((noinline)) void at(void)
{
	__asm__ volatile("");
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	(void)sig, (void)si;
	__sync_fetch_and_add(&handled, 1);
	if (pc >= (uintptr_t)&__executable_start && pc < (uintptr_t)&etext)
		return;
	strayed = pc;
	__sync_fetch_and_add(&strays, 1);
}

static void *body(void *arg)
{
	__sync_fetch_and_add(&there, 1);
	while (!over) {
		for (volatile int i = 0; i < 200; i++)
			;
		at();
	}
	return arg;
}

int main(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO,
	};
	pthread_t t[N];

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	for (int i = 1; i < N; i++)
		pthread_create(&t[i], NULL, body, NULL);
	body(NULL);
	for (int i = 1; i < N; i++)
		pthread_join(t[i], NULL);
	return 0;
}
