/*
 * Tells what a debugger should find: its libraries, and for every thread the
 * addresses of its thread-locals. Then it sleeps until its stdin ends.
 *
 *	tls [+LIB | *LIB | -LIB | =LIB]...
 *
 * +LIB opens a library (see tls-lib.c), *LIB makes every second thread use
 * its variable, -LIB closes it again, =LIB opens it in a new namespace. Lines:
 *
 *	object L_ADDR MODID NAME	dl_iterate_phdr(3), "-" for no name
 *	space LM L_ADDR L_LD NAME	what =LIB opened, and LM by its handle
 *	thread N TP DATA BSS ALIGNED
 *	block N L_ADDR ADDR		of a module's TLS in that thread, 0:
 *none used N NAME ADDR		&lib_var, after *LIB ready
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4

__thread int tls_data = 0x1234;
__thread char tls_bss[100];
__thread long tls_aligned __attribute__((aligned(64))) = 5;

struct lib {
	const char *path;
	void *handle;
};

static pthread_barrier_t gate;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static const char *use_path;
static int *(*use)(void);
static struct lib libs[16];

static struct lib *lib_slot(const char *path)
{
	struct lib *l = libs;

	while (l->path && strcmp(l->path, path))
		l++;
	l->path = path;
	return l;
}

#ifdef STATIC
static void lib_act(const char *arg)
{
	(void)lib_slot;
	fprintf(stderr, "%s: linked statically\n", arg);
	exit(1);
}
#else
static void lib_open(struct lib *l)
{
	l->handle = dlopen(l->path, RTLD_NOW | RTLD_LOCAL);
	if (!l->handle) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
}

static void space_open(const char *path)
{
#ifdef __GLIBC__
	struct link_map *lm = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);

	if (!lm) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	printf("space %lx %lx %lx %s\n", (long)lm, (long)lm->l_addr,
	       (long)lm->l_ld, lm->l_name);
#else
	(void)path;
#endif
}

static void lib_act(const char *arg)
{
	struct lib *l = lib_slot(arg + 1);

	switch (*arg) {
	case '+':
		lib_open(l);
		break;
	case '*':
		*(void **)&use = dlsym(l->handle, "lib_touch");
		use_path = l->path;
		pthread_barrier_wait(&gate);
		pthread_barrier_wait(&gate);
		use = NULL;
		break;
	case '-':
		dlclose(l->handle);
		break;
	case '=':
		space_open(arg + 1);
		break;
	}
}
#endif

static int block_show(struct dl_phdr_info *i, size_t size, void *n)
{
	(void)size;
	if (i->dlpi_tls_modid)
		printf("block %d %lx %lx\n", *(int *)n, (long)i->dlpi_addr,
		       (long)i->dlpi_tls_data);
	return 0;
}

static int object_show(struct dl_phdr_info *i, size_t size, void *user)
{
	(void)size;
	(void)user;
	printf("object %lx %lx %s\n", (long)i->dlpi_addr,
	       (long)i->dlpi_tls_modid, *i->dlpi_name ? i->dlpi_name : "-");
	return 0;
}

static void report(int n)
{
	pthread_mutex_lock(&turn);
	printf("thread %d %lx %lx %lx %lx\n", n,
	       (long)__builtin_thread_pointer(), (long)&tls_data, (long)tls_bss,
	       (long)&tls_aligned);
	dl_iterate_phdr(block_show, &n);
	pthread_mutex_unlock(&turn);
}

/* Each round is a use of a library, the last one (no use) the report. */
static void *work(void *arg)
{
	int n = (int)(intptr_t)arg;

	do {
		pthread_barrier_wait(&gate);
		if (use && n % 2) {
			pthread_mutex_lock(&turn);
			printf("used %d %s %lx\n", n, use_path, (long)use());
			pthread_mutex_unlock(&turn);
		} else if (!use) {
			report(n);
		}
	} while (pthread_barrier_wait(&gate), use_path);
	pause();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;
	char c;

	pthread_barrier_init(&gate, NULL, THREADS);
	use_path = "";
	for (intptr_t i = 1; i < THREADS; i++)
		pthread_create(&t, NULL, work, (void *)i);
	for (int i = 1; i < argc; i++)
		lib_act(argv[i]);

	pthread_barrier_wait(&gate);
	report(0);
	use_path = NULL;
	pthread_barrier_wait(&gate);
	dl_iterate_phdr(object_show, NULL);
	printf("ready\n");
	fflush(stdout);
	return read(0, &c, 1) != 0;
}
