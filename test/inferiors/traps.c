/* traps: the program's own int3 (caught), hlt and ud2 (caught). */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>

volatile int caught[65];
static sigjmp_buf next;

static void on_signal(int signo)
{
	caught[signo]++;
	if (signo != SIGTRAP)
		siglongjmp(next, 1);
}

__attribute__((noinline)) void own_int3(void)
{
	__asm__ volatile("int3\n\tnop");
}

__attribute__((noinline)) void end(void)
{
	printf("trap %d segv %d ill %d\n", caught[SIGTRAP], caught[SIGSEGV],
	       caught[SIGILL]);
}

int main(void)
{
	signal(SIGTRAP, on_signal);
	signal(SIGSEGV, on_signal);
	signal(SIGILL, on_signal);
	own_int3();
	if (sigsetjmp(next, 1) == 0)
		__asm__ volatile("hlt");
	if (sigsetjmp(next, 1) == 0)
		__asm__ volatile("ud2");
	end();
	return 0;
}
