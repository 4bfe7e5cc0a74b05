/*
 * A program that does harm to what is shared with it: it writes over all
 * mappings of ours that it can write to, while its other threads run. It may
 * die of that; whoever follows it may not.
 *
 *	scribbling WHAT [SEED]
 *
 * WHAT is zero, ones, noise: what it writes; code: it makes the code writable
 * too, and writes noise there; or unmap: it takes it all away.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST   256
#define AHEAD  (UINT64_C(512) << 10) /* of each mapping, all of that ... */
#define SPREAD 256		     /* ... and so many pages more */

static struct {
	uint64_t lo, hi;
	int code;
} maps[MOST];
static int n_maps;
static uint64_t state;

static void find_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], perms[8];

	while (f && fgets(line, sizeof(line), f) && n_maps < MOST) {
		if (!strstr(line, "memfd:tracestub") ||
		    sscanf(line, "%lx-%lx %7s", &maps[n_maps].lo,
			   &maps[n_maps].hi, perms) != 3)
			continue;
		maps[n_maps++].code = perms[1] != 'w';
	}
	if (f)
		fclose(f);
}

static uint64_t noise(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static uint64_t word(const char *what)
{
	return !strcmp(what, "zero")   ? 0
	       : !strcmp(what, "ones") ? UINT64_MAX
				       : noise();
}

static void scribble_page(const char *what, uint64_t lo)
{
	volatile uint64_t *p = (void *)lo;

	for (int i = 0; i < 512; i++)
		p[i] = word(what);
}

static void scribble(const char *what, uint64_t lo, uint64_t hi)
{
	uint64_t pages = (hi - lo) / 4096;

	for (uint64_t at = lo; at < hi && at < lo + AHEAD; at += 4096)
		scribble_page(what, at);
	for (int i = 0; i < SPREAD; i++)
		scribble_page(what, lo + noise() % pages * 4096);
}

static void *harm(void *arg)
{
	const char *what = arg;

	for (int i = 0; i < n_maps; i++) {
		uint64_t lo = maps[i].lo, size = maps[i].hi - lo;

		if (!strcmp(what, "unmap"))
			munmap((void *)lo, size);
		else if (maps[i].code && strcmp(what, "code"))
			continue;
		else if (!maps[i].code ||
			 mprotect((void *)lo, size,
				  PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
			scribble(what, lo, maps[i].hi);
	}
	return NULL;
}

/* Stops, signals and new code. */
static void *work(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		unsigned (*fn)(void);

		memcpy(p, "\xb8\1\0\0\0\xc3", 6);
		memcpy(&fn, &p, sizeof(fn));
		fn();
		raise(SIGUSR1);
		munmap(p, 4096);
	}
	return NULL;
}

static void on_usr1(int signo)
{
	(void)signo;
}

int main(int argc, char **argv)
{
	pthread_t workers[2], harmful;

	/* The program may run in circles now. */
	alarm(8);
	signal(SIGUSR1, on_usr1);
	state = 88172645463325252u + (argc > 2 ? strtoul(argv[2], NULL, 0) : 0);
	find_maps();
	printf("%s\n", n_maps ? "followed" : "alone");
	fflush(stdout);
	for (int i = 0; i < 2; i++)
		pthread_create(&workers[i], NULL, work, NULL);
	pthread_create(&harmful, NULL, harm, argv[1]);
	pthread_join(harmful, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(workers[i], NULL);
	return 0;
}
