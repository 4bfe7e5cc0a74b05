/* signals [N]: SIGUSR1 to itself N times, SIGALRM once from a timer, then a
 * fault at address 0x10 that the handler survives. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

volatile int usr1, alarms, faults;
volatile unsigned long fault_addr;
static sigjmp_buf after_fault;

__attribute__((noinline)) void on_usr1(int signo)
{
	(void)signo;
	usr1++;
}

static void on_alarm(int signo)
{
	(void)signo;
	alarms++;
}

__attribute__((noinline)) void on_fault(int signo, siginfo_t *info, void *ctx)
{
	(void)signo;
	(void)ctx;
	fault_addr = (unsigned long)info->si_addr;
	faults++;
	siglongjmp(after_fault, 1);
}

__attribute__((noinline)) void finished(void)
{
	printf("usr1 %d alarms %d faults %d at %lx\n", usr1, alarms, faults,
	       fault_addr);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 3;
	struct sigaction fault = { .sa_sigaction = on_fault,
				   .sa_flags = SA_SIGINFO };
	struct itimerval soon = { .it_value.tv_usec = 20000 };

	signal(SIGUSR1, on_usr1);
	signal(SIGALRM, on_alarm);
	sigaction(SIGSEGV, &fault, NULL);
	for (int i = 0; i < n; i++)
		raise(SIGUSR1);
	setitimer(ITIMER_REAL, &soon, NULL);
	while (alarms == 0)
		usleep(1000);
	if (sigsetjmp(after_fault, 1) == 0)
		*(volatile int *)0x10 = 1;
	finished();
	return 0;
}
