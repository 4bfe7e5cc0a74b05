/*
 * Thread-local addresses against what the program itself says of them:
 * &variable in each thread, and dl_iterate_phdr(3)'s dlpi_tls_data for every
 * module. Offsets in a module come from nm(1).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "server/svr4.h"
#include "server/tls.h"
#include "test/unit/debuggee.h"

#define THREADS 4
#define ARGS	10

struct scene {
	const char *name, *inferior;
	const char *args[ARGS]; /* an action and a file of the inferiors */
	const char *preload;
	const char *hide;
	int blocks, missing; /* at least so many of each are compared */
};

/* One module's variables, from its symbol table. */
static uint64_t nm_ask(const char *path, const char *symbol)
{
	char cmd[9000], line[512], name[256], kind;
	unsigned long value, found = -1ul;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "nm '%s'", path);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %c %255s", &value, &kind, name) == 3 &&
		    !strcmp(name, symbol))
			found = value;
	assert_int_equal(pclose(f), 0);
	assert_true(found != -1ul);
	return found;
}

/* Each is asked for once: nm takes 0.1 s where pages are dear. */
static uint64_t nm_offset(const char *path, const char *symbol)
{
	static struct {
		char *what;
		uint64_t offset;
	} known[64];
	char what[9000];
	size_t i = 0;

	snprintf(what, sizeof(what), "%s of %s", symbol, path);
	while (i < ARRAY_SIZE(known) && known[i].what &&
	       strcmp(known[i].what, what) != 0)
		i++;
	assert_true(i < ARRAY_SIZE(known));
	if (!known[i].what) {
		known[i].offset = nm_ask(path, symbol);
		known[i].what = strdup(what);
	}
	return known[i].offset;
}

/* The link map of the library loaded there, else the program's. */
static uint64_t lm_find(const struct svr4_list *l, uint64_t l_addr,
			const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (name ? !strcmp(l->libs[i].name, name)
			 : l->libs[i].l_addr == l_addr)
			return l->libs[i].lm;
	assert_null(name);
	return l->main_lm;
}

static void check(struct debuggee *d, uint64_t tp, uint64_t lm, uint64_t offset,
		  uint64_t want)
{
	struct err e = { "" };
	uint64_t got = 0;
	int rc;

	rc = tls_address(&d->t, d->p, tp, lm, offset, &got, &e);
	if (rc < 0 && want)
		fail_msg("%s (%d)", e.text, rc);
	if (want) {
		assert_int_equal(got, want);
	} else {
		assert_int_equal(rc, -EAGAIN);
		assert_true(strlen(e.text) > 0);
	}
}

static void check_program(struct debuggee *d, const struct svr4_list *list,
			  const char *path, const uint64_t *tp)
{
	static const char *const names[] = { "tls_data", "tls_bss",
					     "tls_aligned" };
	unsigned long v[3], ignored;
	int n, seen = 0;

	debuggee_lines(s, d)
	{
		if (sscanf(s, "thread %d %lx %lx %lx %lx", &n, &ignored, v,
			   v + 1, v + 2) != 5)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			uint64_t off = nm_offset(path, names[i]);

			check(d, tp[n], 0, off, v[i]);
			check(d, tp[n], list->main_lm, off, v[i]);
		}
		seen++;
	}
	assert_int_equal(seen, THREADS);
}

static void check_modules(struct debuggee *d, const struct svr4_list *list,
			  const struct scene *sc, const uint64_t *tp)
{
	unsigned long l_addr, v;
	int n, blocks = 0, missing = 0;
	char name[8192];

	debuggee_lines(s, d)
	{
		if (sscanf(s, "block %d %lx %lx", &n, &l_addr, &v) == 3) {
			check(d, tp[n], lm_find(list, l_addr, NULL), 0, v);
			*(v ? &blocks : &missing) += 1;
		} else if (sscanf(s, "used %d %8191s %lx", &n, name, &v) == 3) {
			bool loaded = false;

			for (size_t i = 0; i < list->n; i++)
				loaded |= !strcmp(list->libs[i].name, name);
			if (loaded)
				check(d, tp[n], lm_find(list, 0, name),
				      nm_offset(name, "lib_var"), v);
		}
	}
	assert_true(blocks >= sc->blocks);
	assert_true(missing >= sc->missing);
}

/* The command line: each argument is an action and a file's full path. */
static void command_make(const struct scene *sc, char *argv[ARGS + 2])
{
	char path[8192], *preload;
	size_t n = 0;

	debuggee_path(path, sizeof(path), sc->inferior);
	argv[n++] = xstrdup(path);
	for (size_t i = 0; sc->args[i]; i++) {
		debuggee_path(path, sizeof(path), sc->args[i] + 1);
		argv[n++] = xasprintf("%c%s", *sc->args[i], path);
	}
	argv[n] = NULL;
	if (!sc->preload)
		return;
	debuggee_path(path, sizeof(path), sc->preload);
	preload = path;
	setenv("LD_PRELOAD", preload, 1);
}

static void scene_play(void **state)
{
	static const struct svr4_query everything;
	const struct scene *sc = *state;
	char *argv[ARGS + 2];
	struct svr4_list list;
	uint64_t tp[THREADS];
	unsigned long v;
	struct debuggee *d;
	int n;

	if (!debuggee_exists(sc->inferior))
		skip();
	command_make(sc, argv);
	d = debuggee_start(argv);
	unsetenv("LD_PRELOAD");
	d->hide = sc->hide;
	debuggee_lines(s, d) if (sscanf(s, "thread %d %lx", &n, &v) == 2)
		tp[n] = v;

	svr4_list(&d->t, d->p, &everything, &list);
	check_program(d, &list, argv[0], tp);
	check_modules(d, &list, sc, tp);
	check(d, 0, 0, 0, 0);
	svr4_list_fini(&list);
	debuggee_end(d);
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
}

#define LIBS(m)                                                             \
	{                                                                   \
		"+tls-lib" m ".so", "+tls-lib2" m ".so", "*tls-lib" m ".so" \
	}
/* The second library gets the first one's number: its old blocks are stale. */
#define REUSE(m)                                                            \
	{                                                                   \
		"+tls-lib" m ".so", "*tls-lib" m ".so", "-tls-lib" m ".so", \
			"+tls-lib2" m ".so"                                 \
	}
#define SPACE                                                 \
	{                                                     \
		"=tls-lib.so", "+tls-lib2.so", "*tls-lib2.so" \
	}
#define DESCRIPTORS "_thread_db_link_map"

/* clang-format off */
static struct scene scenes[] = {
	{ "plain", "tls", .blocks = 8 },
	{ "opened", "tls", LIBS(""), .blocks = 10, .missing = 6 },
	{ "preloaded", "tls", LIBS(""), "tls-lib2.so", .blocks = 14,
	  .missing = 2 },
	{ "reused", "tls", REUSE(""), .blocks = 8, .missing = 4 },
	{ "space", "tls", SPACE, .blocks = 10, .missing = 2 },
	{ "nopie", "tls-nopie", LIBS(""), .blocks = 10, .missing = 6 },
	{ "i386", "tls-m32", LIBS("-m32"), .blocks = 10, .missing = 6 },
	{ "i386 reused", "tls-m32", REUSE("-m32"), .blocks = 8, .missing = 4 },
	{ "old glibc", "tls", LIBS(""), .hide = DESCRIPTORS, .blocks = 10,
	  .missing = 6 },
	{ "old glibc preloaded", "tls", LIBS(""), "tls-lib2.so",
	  .hide = DESCRIPTORS, .blocks = 14, .missing = 2 },
	{ "old glibc nopie", "tls-nopie", LIBS(""), .hide = DESCRIPTORS,
	  .blocks = 10, .missing = 6 },
	{ "old glibc i386", "tls-m32", LIBS("-m32"), .hide = DESCRIPTORS,
	  .blocks = 10, .missing = 6 },
	{ "static", "tls-static", .blocks = 4 },
	{ "static pie", "tls-static-pie", .blocks = 4 },
	{ "static i386", "tls-m32-static", .blocks = 4 },
	{ "musl", "tls-musl", LIBS("-musl"), .blocks = 12 },
	{ "musl preloaded", "tls-musl", LIBS("-musl"), "tls-lib2-musl.so",
	  .blocks = 12 },
	{ "musl static", "tls-musl-static", .blocks = 4 },
};
/* clang-format on */

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(scenes)];

	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
		tests[i] = (struct CMUnitTest){
			.name = scenes[i].name,
			.test_func = scene_play,
			.initial_state = &scenes[i],
		};
	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
