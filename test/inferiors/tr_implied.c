/* tr_implied: all that is mapped to be read is code (READ_IMPLIES_EXEC of
 * personality(2)). Where there is code that was run another function comes. */
#include "tr_code.h"
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define ROUNDS 1000
#define ANON   (MAP_PRIVATE | MAP_ANONYMOUS)

/* The number is where the call is, as it mostly is in libc. */
#define CALL(nr, a, b, c, d)                                                 \
	({                                                                   \
		register long d_ __asm__("r10") = (long)(d);                 \
		register long fd_ __asm__("r8") = -1;                        \
		register long at_ __asm__("r9") = 0;                         \
		long r_;                                                     \
                                                                             \
		__asm__ volatile("mov %1,%%eax\n	syscall"                    \
				 : "=&a"(r_)                                 \
				 : "i"(nr), "D"(a), "S"(b), "d"(c), "r"(d_), \
				   "r"(fd_), "r"(at_)                        \
				 : "rcx", "r11", "memory");                  \
		r_;                                                          \
	})

static unsigned char *map_at(unsigned char *at)
{
	return (unsigned char *)CALL(SYS_mmap, at, PAGE, RW, ANON);
}

static void fix(unsigned char *at)
{
	EXPECT(CALL(SYS_mprotect, at, PAGE, PROT_READ, 0), 0);
}

static void run(unsigned char *at, int value)
{
	for (int i = 0; i < 20; i++)
		EXPECT(call(at), value);
}

/* --- */

static unsigned char *volatile place;
static _Atomic int goes, n_taken;

/* Waits for no more than that the place is free. */
static void *take(void *arg)
{
	unsigned char unused, *at;

	(void)arg;
	for (int i = 1; i <= ROUNDS; i++) {
		while (goes != i)
			sched_yield();
		while (mincore(place, PAGE, &unused) == 0)
			sched_yield();
		at = map_at(place);
		put_return(at, -i);
		EXPECT(call(at), -i);
		n_taken++;
	}
	return NULL;
}

static void taken(void)
{
	unsigned char *all = map_pages(ROUNDS, RW);
	pthread_t other;

	goes = n_taken = 0;
	EXPECT(pthread_create(&other, NULL, take, NULL), 0);
	for (int i = 1; i <= ROUNDS; i++) {
		place = all + (i - 1) * PAGE;
		put_return(place, i);
		fix(place);
		run(place, i);
		goes = i;
		EXPECT(CALL(SYS_munmap, place, PAGE, 0, 0), 0);
		while (n_taken != i)
			sched_yield();
	}
	pthread_join(other, NULL);
	munmap(all, ROUNDS * PAGE);
}

/* The end of the heap goes and comes. */
static void heap(void)
{
	uintptr_t end = ((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE;
	unsigned char *at = (unsigned char *)end;

	for (int i = 0; i < 50; i++) {
		EXPECT(brk(at + PAGE), 0);
		/* With that the whole map is looked at. */
		munmap(map_pages(1, RWX), PAGE);
		put_return(at, i);
		if (i & 1)
			fix(at);
		run(at, i);
		EXPECT(brk(at), 0);
	}
}

/* Shared memory comes where code was. */
static void shared(void)
{
	for (int i = 1; i < 20; i++) {
		int id = shmget(IPC_PRIVATE, PAGE, 0600);
		unsigned char *some = shmat(id, NULL, 0), *at = map_at(NULL);

		put_return(at, i);
		fix(at);
		run(at, i);
		put_return(some, -i);
		EXPECT(shmat(id, at, SHM_REMAP), at);
		run(at, -i);
		shmdt(at);
		shmdt(some);
		shmctl(id, IPC_RMID, NULL);
	}
}

/* Mapped before, and made code by nothing but that it is made readable. */
static void earlier(void)
{
	unsigned char *all;

	personality(0);
	all = map_pages(20, RW);
	personality(READ_IMPLIES_EXEC);
	for (int i = 0; i < 20; i++) {
		put_return(all + i * PAGE, i);
		fix(all + i * PAGE);
		run(all + i * PAGE, i);
	}
	munmap(all, 20 * PAGE);
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "taken", taken },
		{ "heap", heap },
		{ "shared", shared },
		{ "earlier", earlier },
	};

	personality(READ_IMPLIES_EXEC);
	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
