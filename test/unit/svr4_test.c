/*
 * Library lists against what the program itself says of its libraries
 * (dl_iterate_phdr(3)), against gdbserver's document for the same process,
 * and damaged ones made by hand.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "base/mem.h"
#include "server/elf.h"
#include "server/svr4.h"
#include "test/unit/debuggee.h"

#define ARGS 8

static const struct svr4_query everything;

struct scene {
	const char *name, *inferior;
	const char *args[ARGS]; /* an action and a file of the inferiors */
	const char *linker;	/* run by hand, or NULL */
	bool alone;		/* gdbserver finds no list here */
	size_t least;		/* libraries */
};

static void command_make(const struct scene *sc, char *argv[ARGS + 3])
{
	char path[8192];
	size_t n = 0;

	if (sc->linker)
		argv[n++] = xstrdup(sc->linker);
	debuggee_path(path, sizeof(path), sc->inferior);
	argv[n++] = xstrdup(path);
	for (size_t i = 0; sc->args[i]; i++) {
		debuggee_path(path, sizeof(path), sc->args[i] + 1);
		argv[n++] = xasprintf("%c%s", *sc->args[i], path);
	}
	argv[n] = NULL;
}

static struct debuggee *scene_start(const struct scene *sc)
{
	char *argv[ARGS + 3];
	struct debuggee *d;

	command_make(sc, argv);
	d = debuggee_start(argv);
	for (size_t i = 0; argv[i]; i++)
		free(argv[i]);
	return d;
}

/* --- the program says ------------------------------------------------------
 */

/* The program's own lines, in their order; the first is the program. */
static void check_objects(struct debuggee *d, const struct svr4_list *l)
{
	unsigned long l_addr, modid;
	size_t n = 0, objects = 0;
	char name[8192];
	uint64_t own;

	debuggee_lines(s, d)
	{
		if (sscanf(s, "object %lx %lx %8191s", &l_addr, &modid, name) !=
		    3)
			continue;
		if (objects++ == 0) {
			own = 0;
			target_read_all(&d->t, d->p, l->main_lm, &own,
					d->p->arch->word);
			assert_int_equal(own, l_addr);
		} else if (strcmp(name, "-")) {
			assert_true(n < l->n);
			assert_string_equal(l->libs[n].name, name);
			assert_int_equal(l->libs[n].l_addr, l_addr);
			assert_int_equal(l->libs[n].lmid, l->libs[0].lmid);
			n++;
		}
	}
	assert_true(objects > 0);
	/* What is left is of other namespaces. */
	for (; n < l->n; n++)
		assert_int_not_equal(l->libs[n].lmid, l->libs[0].lmid);
}

static void check_spaces(struct debuggee *d, const struct svr4_list *l)
{
	unsigned long lm, l_addr, l_ld;
	char name[8192];

	debuggee_lines(s, d)
	{
		size_t i = 0;

		if (sscanf(s, "space %lx %lx %lx %8191s", &lm, &l_addr, &l_ld,
			   name) != 4)
			continue;
		while (i < l->n && l->libs[i].lm != lm)
			i++;
		assert_true(i < l->n);
		assert_int_equal(l->libs[i].l_addr, l_addr);
		assert_int_equal(l->libs[i].l_ld, l_ld);
		assert_string_equal(l->libs[i].name, name);
		assert_int_not_equal(l->libs[i].lmid, l->libs[0].lmid);
	}
}

/* --- gdbserver says ------------------------------------------------------- */

static void rsp_send(FILE *to, const char *text)
{
	uint8_t sum = 0;

	for (const char *s = text; *s; s++)
		sum += *s;
	fprintf(to, "+$%s#%02x", text, sum);
	fflush(to);
}

/* One reply's payload; escapes and run lengths undone. */
static size_t rsp_reply(FILE *from, char *out, size_t size)
{
	size_t n = 0;
	int c;

	while ((c = getc(from)) != '$')
		assert_int_not_equal(c, EOF);
	while ((c = getc(from)) != '#') {
		int times = 1;

		assert_int_not_equal(c, EOF);
		if (c == '*') {
			times = getc(from) - 29;
			c = out[n - 1];
		} else if (c == '}') {
			c = getc(from) ^ 0x20;
		}
		assert_true(n + times < size);
		memset(out + n, c, times);
		n += times;
	}
	getc(from);
	getc(from);
	out[n] = '\0';
	return n;
}

static pid_t gdbserver_start(pid_t pid, FILE **to, FILE **from)
{
	int in[2], out[2];
	char num[16];
	pid_t child;

	snprintf(num, sizeof(num), "%d", pid);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(open("/dev/null", O_WRONLY), 2);
		execlp("gdbserver", "gdbserver", "--attach", "-", num, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*to = fdopen(in[1], "w");
	*from = fdopen(out[0], "r");
	return child;
}

/* The whole document, asked for with this annex. */
static void gdbserver_ask(FILE *to, FILE *from, const char *annex, char *doc,
			  size_t size)
{
	static char part[20000];
	char packet[256];
	size_t at = 0, n;

	do {
		snprintf(packet, sizeof(packet),
			 "qXfer:libraries-svr4:read:%s:%zx,fff", annex, at);
		rsp_send(to, packet);
		n = rsp_reply(from, part, sizeof(part));
		assert_true(n > 0 && at + n < size);
		assert_true(*part == 'm' || *part == 'l');
		memcpy(doc + at, part + 1, n - 1);
		at += n - 1;
	} while (*part == 'm');
	doc[at] = '\0';
}

/* Ours in gdbserver's words. */
static char *document(const struct svr4_list *l)
{
	struct buf b = { 0 };

	buf_puts(&b, "<library-list-svr4 version=\"1.0\"");
	if (l->main_lm)
		buf_printf(&b, " main-lm=\"0x%lx\"", l->main_lm);
	buf_putc(&b, '>');
	for (size_t i = 0; i < l->n; i++)
		buf_printf(&b,
			   "<library name=\"%s\" lm=\"0x%lx\" l_addr=\"0x%lx\" "
			   "l_ld=\"0x%lx\" lmid=\"0x%lx\"/>",
			   l->libs[i].name, l->libs[i].lm, l->libs[i].l_addr,
			   l->libs[i].l_ld, l->libs[i].lmid);
	buf_puts(&b, "</library-list-svr4>");
	return buf_str(&b);
}

static void check_ask(struct debuggee *d, FILE *to, FILE *from,
		      const char *annex)
{
	static char theirs[1 << 20];
	struct svr4_query q;
	struct svr4_list l;
	char *ours;

	assert_int_equal(svr4_query_take(annex, &q), 0);
	assert_int_equal(svr4_list(&d->t, d->p, &q, &l), 0);
	gdbserver_ask(to, from, annex, theirs, sizeof(theirs));
	ours = document(&l);
	assert_string_equal(ours, theirs);
	free(ours);
	svr4_list_fini(&l);
}

/* The whole list; its tail from the second on; with a wrong prev. */
static void check_gdbserver(struct debuggee *d, const struct svr4_list *l)
{
	FILE *to, *from;
	char annex[128], hello[4096];
	pid_t server = gdbserver_start(d->pid, &to, &from);

	rsp_send(to, "qSupported:xmlRegisters=i386");
	rsp_reply(from, hello, sizeof(hello));
	rsp_send(to, "Hg0"); /* without it there is no current process */
	rsp_reply(from, hello, sizeof(hello));
	check_ask(d, to, from, "");
	if (l->n > 1) {
		snprintf(annex, sizeof(annex), "lmid=%lx;start=%lx;prev=%lx",
			 l->libs[1].lmid, l->libs[1].lm, l->libs[0].lm);
		check_ask(d, to, from, annex);
		snprintf(annex, sizeof(annex), "start=%lx;prev=%lx",
			 l->libs[1].lm, l->libs[1].lm);
		check_ask(d, to, from, annex);
	}
	rsp_send(to, "D");
	rsp_reply(from, hello, sizeof(hello));
	fclose(to);
	fclose(from);
	waitpid(server, NULL, 0);
}

/* The word there, and what r_debug says of the first link map. A linker of
 * glibc's that is run by hand keeps its r_debug's address in no such word. */
static void check_place(struct debuggee *d, const struct scene *sc,
			uint64_t main_lm)
{
	uint64_t at, debug, r[2];
	int rc = svr4_place(&d->t, d->p, &at);

	if (sc->linker && rc == -ENOENT)
		return;
	assert_int_equal(rc, 0);
	assert_int_equal(elf_words_read(&d->t, d->p, at, &debug, 1), 0);
	assert_int_equal(elf_words_read(&d->t, d->p, debug, r, 2), 0);
	assert_int_equal(r[1], main_lm);
}

static void scene_play(void **state)
{
	const struct scene *sc = *state;
	struct debuggee *d;
	struct svr4_list l;

	if (!debuggee_exists(sc->inferior))
		skip();
	if (sc->linker && access(sc->linker, X_OK)) {
		print_message("skipped: no %s\n", sc->linker);
		skip();
	}
	d = scene_start(sc);
	assert_int_equal(svr4_list(&d->t, d->p, &everything, &l), 0);
	assert_true(l.n >= sc->least);
	check_objects(d, &l);
	check_spaces(d, &l);
	check_place(d, sc, l.main_lm);
	if (!sc->alone && !access("/usr/bin/gdbserver", X_OK))
		check_gdbserver(d, &l);
	svr4_list_fini(&l);
	debuggee_end(d);
}

/* --- programs without a list ---------------------------------------------- */

static void static_program(void **state)
{
	const struct scene *sc = *state;
	struct debuggee *d;
	struct svr4_list l;
	uint64_t at;

	if (!debuggee_exists(sc->inferior))
		skip();
	d = scene_start(sc);
	assert_int_equal(svr4_list(&d->t, d->p, &everything, &l), -ENOENT);
	assert_int_equal(svr4_place(&d->t, d->p, &at), -ENOENT);
	assert_int_equal(l.n, 0);
	svr4_list_fini(&l);
	debuggee_end(d);
}

/* Stopped by its exec: the dynamic linker has not run. */
static void before_linker(void **state)
{
	char path[8192];
	struct debuggee *d;
	struct svr4_list l;
	uint64_t at, word;
	pid_t pid;

	(void)state;
	if (!debuggee_exists("tls"))
		skip();
	debuggee_path(path, sizeof(path), "tls");
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(path, path, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	d = calloc(1, sizeof(*d));
	d->in = -1;
	debuggee_init(d, pid);
	assert_int_equal(svr4_list(&d->t, d->p, &everything, &l), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(l.main_lm, 0);
	assert_int_equal(svr4_place(&d->t, d->p, &at), 0);
	assert_int_equal(elf_words_read(&d->t, d->p, at, &word, 1), 0);
	assert_int_equal(word, 0);
	svr4_list_fini(&l);
	debuggee_end(d);
}

/* --- damaged lists: this test's own memory is the debuggee's ----------------
 */

struct link {
	uint64_t addr;
	const char *name;
	uint64_t ld;
	struct link *next, *prev;
};

struct self {
	struct debuggee *d;
	struct link maps[4];
};

static struct self *self_new(void)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct self *s = calloc(1, sizeof(*s));

	s->d = calloc(1, sizeof(*s->d));
	debuggee_init(s->d, getpid());
	for (size_t i = 0; i < 4; i++) {
		s->maps[i].name = names[i];
		s->maps[i].next = i < 3 ? &s->maps[i + 1] : NULL;
		s->maps[i].prev = i ? &s->maps[i - 1] : NULL;
	}
	return s;
}

/* How many libraries are found from the first map on. */
static size_t self_count(struct self *s)
{
	struct svr4_query q = { .start = (uintptr_t)s->maps };
	struct svr4_list l;
	size_t n;

	assert_int_equal(svr4_list(&s->d->t, s->d->p, &q, &l), 0);
	n = l.n;
	for (size_t i = 0; i < n; i++)
		assert_true(strlen(l.libs[i].name) > 0);
	svr4_list_fini(&l);
	return n;
}

static void self_free(struct self *s)
{
	target_fini(&s->d->t);
	free(s->d);
	free(s);
}

static void damaged(void **state)
{
	struct self *s = self_new();

	(void)state;
	assert_int_equal(self_count(s), 4);
	s->maps[3].next = &s->maps[1]; /* a ring */
	assert_int_equal(self_count(s), 4);
	s->maps[3].next = &s->maps[0];
	assert_int_equal(self_count(s), 4);
	s->maps[0].next = s->maps[0].prev = &s->maps[0];
	assert_int_equal(self_count(s), 0);
	s->maps[0].prev = NULL;
	assert_int_equal(self_count(s), 1);
	s->maps[0].next = (struct link *)8; /* nowhere */
	assert_int_equal(self_count(s), 1);
	s->maps[0].next = &s->maps[2]; /* which points back at another */
	assert_int_equal(self_count(s), 1);
	s->maps[0].name = (char *)8; /* as good as none */
	assert_int_equal(self_count(s), 0);
	self_free(s);
}

/* One map that is the same after each step never ends by itself. */
static void endless(void **state)
{
	struct self *s = self_new();
	struct svr4_query q = { .start = (uintptr_t)s->maps,
				.prev = (uintptr_t)s->maps };
	struct svr4_list l;

	(void)state;
	s->maps[0].next = s->maps[0].prev = s->maps;
	assert_int_equal(svr4_list(&s->d->t, s->d->p, &q, &l), 0);
	assert_true(l.n > 0 && l.n <= 65536);
	svr4_list_fini(&l);
	self_free(s);
}

static void long_name(void **state)
{
	struct self *s = self_new();
	struct svr4_query q = { .start = (uintptr_t)s->maps };
	struct svr4_list l;
	char *name = malloc(10001);

	(void)state;
	memset(name, 'x', 10000);
	name[10000] = '\0';
	s->maps[0].name = name;
	s->maps[2].name = name + 9000;
	assert_int_equal(svr4_list(&s->d->t, s->d->p, &q, &l), 0);
	assert_int_equal(l.n, 4);
	assert_true(strlen(l.libs[0].name) >= 4096);
	assert_true(strlen(l.libs[0].name) < 4096 + 256);
	assert_string_equal(l.libs[1].name, "b");
	assert_string_equal(l.libs[2].name, name + 9000);
	svr4_list_fini(&l);
	free(name);
	self_free(s);
}

/* --- the annex ------------------------------------------------------------ */

static void annex(void **state)
{
	static const struct {
		const char *text;
		int rc;
		struct svr4_query q;
	} rows[] = {
		{ "", 0, { 0, 0, 0 } },
		{ "start=1f;prev=2;lmid=ffffffffffffffff",
		  0,
		  { 0x1f, 2, -1ull } },
		{ "lmid=0;start=A;prev=0", 0, { 10, 0, 0 } },
		{ "start=1", 0, { 1, 0, 0 } },
		{ "start=1;", 0, { 1, 0, 0 } },
		{ "color=red;start=1;restart=4", 0, { 1, 0, 0 } },
		{ "color", 0, { 0, 0, 0 } },
		{ ";;start=3", 0, { 3, 0, 0 } },
		{ "start=", -EPROTO, { 0 } },
		{ "start=x", -EPROTO, { 0 } },
		{ "start=1x", -EPROTO, { 0 } },
		{ "start=1ffffffffffffffff", -EPROTO, { 0 } },
	};
	struct svr4_query q;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(svr4_query_take(rows[i].text, &q), rows[i].rc);
		if (rows[i].rc < 0)
			continue;
		assert_int_equal(q.start, rows[i].q.start);
		assert_int_equal(q.prev, rows[i].q.prev);
		assert_int_equal(q.lmid, rows[i].q.lmid);
	}
}

/* clang-format off */
static struct scene scenes[] = {
	{ "plain", "tls", .least = 2 },
	{ "opened", "tls", { "+tls-lib.so", "+tls-lib2.so" }, .least = 4 },
	{ "closed", "tls", { "+tls-lib.so", "+tls-lib2.so", "-tls-lib.so" },
	  .least = 3 },
	{ "namespaces", "tls", { "=tls-lib.so", "+tls-lib2.so",
	  "=tls-lib2.so" }, .least = 5 },
	{ "nopie", "tls-nopie", { "+tls-lib.so" }, .least = 3 },
	{ "linker by hand", "tls", { "+tls-lib.so", "=tls-lib2.so" },
	  .linker = "/lib64/ld-linux-x86-64.so.2", .alone = true, .least = 4 },
	{ "static pie", "tls-static-pie", .alone = true },
	{ "i386", "tls-m32", { "+tls-lib-m32.so", "=tls-lib2-m32.so" },
	  .least = 4 },
	{ "musl", "tls-musl", { "+tls-lib-musl.so" }, .least = 2 },
	{ "musl by hand", "tls-musl", { "+tls-lib-musl.so" },
	  .linker = "/lib/ld-musl-x86_64.so.1", .alone = true, .least = 2 },
};

static struct scene statics[] = {
	{ "static", "tls-static", .least = 0 },
	{ "static i386", "tls-m32-static", .least = 0 },
	{ "static musl", "tls-musl-static", .least = 0 },
};

static const struct CMUnitTest others[] = {
	cmocka_unit_test(before_linker),
	cmocka_unit_test(damaged), cmocka_unit_test(endless),
	cmocka_unit_test(long_name), cmocka_unit_test(annex),
};
/* clang-format on */

#define ALL (ARRAY_SIZE(scenes) + ARRAY_SIZE(statics) + ARRAY_SIZE(others))

int main(void)
{
	struct CMUnitTest tests[ALL];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
		tests[n++] = (struct CMUnitTest){ scenes[i].name, scene_play,
						  NULL, NULL, &scenes[i] };
	for (size_t i = 0; i < ARRAY_SIZE(statics); i++)
		tests[n++] =
			(struct CMUnitTest){ statics[i].name, static_program,
					     NULL, NULL, &statics[i] };
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		tests[n++] = others[i];
	return cmocka_run_group_tests_name("svr4", tests, NULL, NULL);
}
