/* The tables of `info os`, cell by cell against those that gdb makes of the
 * same machine by itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ctype.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "server/osdata-rows.h"
#include "server/osdata.h"

#define ATTEMPTS  12
#define SEPARATOR '\x1f'

/* Rows as single strings, one cell after the other. */
struct rows {
	char **row;
	size_t n;
};

static void rows_add(struct rows *r, const struct buf *text)
{
	r->row = xrealloc(r->row, (r->n + 1) * sizeof(*r->row));
	r->row[r->n++] = xstrndup(text->data, text->len);
}

static void rows_fini(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->row[i]);
	free(r->row);
	*r = (struct rows){ 0 };
}

static bool rows_have(const struct rows *r, const char *row)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->row[i], row))
			return true;
	return false;
}

/*
 * What gdb shows of a name: it reads the name as a word, so one with a blank
 * ends there, and loses a letter where a parenthesis was expected. Ids
 * without a name are nothing to it.
 */
static void put_as_gdb(struct buf *out, const char *type, const char *column,
		       const char *cell)
{
	bool name = strstr(column, "command") &&
		    strcmp(column, "command line") && strcmp(type, "processes");
	const char *blank = strpbrk(cell, " \t\n");
	bool kernel = cell[0] == '[' && strstr(column, "command");
	bool owner = strstr(column, "user") || strstr(column, "group");

	if (owner && *cell && strspn(cell, "0123456789") == strlen(cell))
		return;
	if (blank && blank > cell && (kernel || name)) {
		buf_put(out, cell, blank - cell - 1);
		if (kernel)
			buf_putc(out, ']');
		return;
	}
	buf_puts(out, cell);
}

static void ours_read(struct rows *out, const char *type)
{
	struct osdata_table t = { 0 };
	struct buf text = { 0 };

	buf_str(&text);
	assert_int_equal(osdata_read(&t, type), 0);
	for (size_t c = 0; c < t.n_columns && osdata_rows(&t); c++) {
		buf_puts(&text, osdata_column(&t, c));
		buf_putc(&text, SEPARATOR);
	}
	rows_add(out, &text);
	for (size_t r = 0; r < osdata_rows(&t); r++) {
		buf_reset(&text);
		for (size_t c = 0; c < t.n_columns; c++) {
			put_as_gdb(&text, type, osdata_column(&t, c),
				   osdata_cell(&t, r, c));
			buf_putc(&text, SEPARATOR);
		}
		rows_add(out, &text);
	}
	buf_fini(&text);
	osdata_fini(&t);
}

/* A quoted C string of MI, from after its opening quote; returns what is
 * behind the closing one. */
static const char *mi_string(struct buf *out, const char *p)
{
	static const char from[] = "nrtbfa", to[] = "\n\r\t\b\f\a";
	const char *hit;

	for (; *p && *p != '"'; p++) {
		if (*p != '\\') {
			buf_putc(out, *p);
		} else if (p[1] >= '0' && p[1] <= '7') {
			buf_putc(out, strtol((char[]){ p[1], p[2], p[3], 0 },
					     NULL, 8));
			p += 3;
		} else {
			p++;
			hit = strchr(from, *p);
			buf_putc(out, hit && *p ? to[hit - from] : *p);
		}
	}
	return *p ? p + 1 : p;
}

static void trim_put(struct buf *out, const struct buf *cell)
{
	const char *s = cell->data, *e = cell->data + cell->len;

	while (s < e && isspace((unsigned char)*s))
		s++;
	while (s < e && isspace((unsigned char)e[-1]))
		e--;
	buf_put(out, s, e - s);
	buf_putc(out, SEPARATOR);
}

/* Every string that follows key: one row of them, or rows that end at }. */
static void mi_rows(struct rows *out, const char *p, const char *end,
		    const char *key, bool one)
{
	struct buf row = { 0 }, cell = { 0 };

	buf_str(&row);
	while (p < end) {
		bool wanted = !strncmp(p, key, strlen(key));

		if (*p == '}' && !one && row.len) {
			rows_add(out, &row);
			buf_reset(&row);
		}
		if (wanted)
			p = strchr(p, '"');
		if (*p++ != '"')
			continue;
		buf_reset(&cell);
		p = mi_string(&cell, p);
		if (wanted)
			trim_put(&row, &cell);
	}
	if (one)
		rows_add(out, &row);
	buf_fini(&row);
	buf_fini(&cell);
}

/* Through a file: a pipe would be one more descriptor of ours. */
static void gdb_read(struct rows *out, const char *type)
{
	struct buf text = { 0 };
	char cmd[256], file[] = "/tmp/osdata_test.XXXXXX";
	const char *body;

	close(mkstemp(file));
	snprintf(cmd, sizeof(cmd),
		 "gdb -nx -batch -iex 'maint set internal-error corefile no' "
		 "-ex 'interpreter-exec mi \"-info-os %s\"' "
		 ">%s 2>/dev/null",
		 type, file);
	assert_int_equal(system(cmd), 0);
	assert_true(file_read(&text, 256u << 20, "%s", file) > 0);
	unlink(file);
	body = strstr(text.data, ",body=[");
	if (!body)
		body = text.data + text.len;
	mi_rows(out, text.data, body, "colhdr=", true);
	mi_rows(out, body, text.data + text.len, "col", false);
	buf_fini(&text);
}

/* The descriptor that a process reads /proc by is seen by itself alone, and
 * a kernel worker is named for what it does just now. */
static bool is_unsteady(const char *type, const char *row)
{
	return (!strcmp(type, "files") && atoi(row) == getpid()) ||
	       strstr(row, "kworker/");
}

/* Is the first cell of the row one of any of our rows? If not it tells of a
 * process that came for gdb's sake. */
static bool is_known(const struct rows *ours, const char *row)
{
	size_t n = strchrnul(row, SEPARATOR) - row + 1;

	for (size_t i = 0; i < ours->n; i++)
		if (!strncmp(ours->row[i], row, n))
			return true;
	return false;
}

/* Without the CPUs, which change from one look to the next. */
static char *row_key(const char *type, const char *row)
{
	char *key = xstrdup(row), *last;

	if (strcmp(type, "threads") && strcmp(type, "processes"))
		return key;
	key[strlen(key) - 1] = 0;
	last = strrchr(key, SEPARATOR);
	if (last)
		*last = 0;
	return key;
}

static void differences(struct rows *out, const char *type)
{
	struct rows before = { 0 }, gdb = { 0 }, after = { 0 };
	struct buf key = { 0 };

	ours_read(&before, type);
	gdb_read(&gdb, type);
	ours_read(&after, type);
	assert_true(gdb.n > 0);
	for (size_t i = 0; i < before.n + gdb.n; i++) {
		bool own = i < before.n;
		const char *row = own ? before.row[i] : gdb.row[i - before.n];
		char *k;

		if (is_unsteady(type, row))
			continue;
		if (own ? !rows_have(&after, row) || rows_have(&gdb, row)
			: rows_have(&before, row) || rows_have(&after, row) ||
				    !is_known(&before, row))
			continue;
		buf_reset(&key);
		buf_puts(&key, own ? "ours " : "gdb's ");
		k = row_key(type, row);
		buf_puts(&key, k);
		free(k);
		rows_add(out, &key);
	}
	buf_fini(&key);
	rows_fini(&before);
	rows_fini(&gdb);
	rows_fini(&after);
}

/* The machine goes on meanwhile: what differs every time differs. */
static void compare(const char *type)
{
	struct rows bad = { 0 }, now = { 0 };

	differences(&bad, type);
	for (int i = 1; i < ATTEMPTS && bad.n; i++) {
		differences(&now, type);
		for (size_t k = 0; k < bad.n;) {
			if (rows_have(&now, bad.row[k])) {
				k++;
				continue;
			}
			free(bad.row[k]);
			bad.row[k] = bad.row[--bad.n];
		}
		rows_fini(&now);
	}
	for (size_t i = 0; i < bad.n; i++)
		print_message("%s: %s\n", type, bad.row[i]);
	assert_int_equal(bad.n, 0);
	rows_fini(&bad);
}

/* Things to show that a quiet machine has not. */
struct props {
	int shm, sem, msg, sock[3];
	pid_t child;
};

static int socket_make(int family, int type)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_addr = in6addr_loopback };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(0x7f000203);
	if (family == AF_INET)
		assert_int_equal(bind(fd, (void *)&in, sizeof(in)), 0);
	else
		assert_int_equal(bind(fd, (void *)&in6, sizeof(in6)), 0);
	if (type == SOCK_STREAM)
		listen(fd, 1);
	return fd;
}

static pid_t child_make(const char *name)
{
	int ready[2];
	char c;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static int props_make(void **state)
{
	struct props *p = xcalloc(1, sizeof(*p));
	struct {
		long type;
		char text[5];
	} m = { 1, "text" };
	void *at;

	p->sock[0] = socket_make(AF_INET, SOCK_STREAM);
	p->sock[1] = socket_make(AF_INET6, SOCK_STREAM);
	p->sock[2] = socket_make(AF_INET, SOCK_DGRAM);
	p->shm = shmget(IPC_PRIVATE, 12345, IPC_CREAT | 0640);
	p->sem = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
	p->msg = msgget(IPC_PRIVATE, IPC_CREAT | 0622);
	assert_int_equal(msgsnd(p->msg, &m, sizeof(m.text), 0), 0);
	at = shmat(p->shm, NULL, 0);
	shmdt(at);
	p->child = child_make("a (b) c");
	*state = p;
	return 0;
}

static int props_drop(void **state)
{
	struct props *p = *state;

	kill(p->child, SIGKILL);
	waitpid(p->child, NULL, 0);
	shmctl(p->shm, IPC_RMID, NULL);
	semctl(p->sem, 0, IPC_RMID);
	msgctl(p->msg, IPC_RMID, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(p->sock); i++)
		close(p->sock[i]);
	free(p);
	return 0;
}

static void like_gdb(void **state)
{
	static const char *const types[] = {
		"types", "cpus",       "files",	    "modules",
		"msg",	 "procgroups", "processes", "semaphores",
		"shm",	 "sockets",    "threads",
	};

	(void)state;
	if (system("gdb --version >/dev/null 2>&1")) {
		print_message("no gdb\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		compare(types[i]);
}

static void unknown_type(void **state)
{
	struct osdata_table t = { 0 };

	(void)state;
	assert_int_equal(osdata_read(&t, "nonsense"), -ENOENT);
	assert_int_equal(osdata_read(&t, "cpus "), -ENOENT);
	assert_int_equal(osdata_read(&t, ""), 0);
	assert_string_equal(t.type, "types");
	assert_string_equal(osdata_column(&t, 2), "Title");
	assert_int_equal(osdata_rows(&t), 10);
	assert_int_equal(osdata_read(&t, "shm"), 0);
	assert_string_equal(t.type, "shared memory");
	osdata_fini(&t);
}

static size_t find_row(const struct osdata_table *t, size_t column,
		       const char *text)
{
	size_t i = 0;

	while (i < osdata_rows(t) && strcmp(osdata_cell(t, i, column), text))
		i++;
	assert_true(i < osdata_rows(t));
	return i;
}

static void names_with_blanks(void **state)
{
	const struct props *p = *state;
	struct osdata_table t = { 0 };
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)p->child);
	osdata_read(&t, "threads");
	assert_string_equal(osdata_cell(&t, find_row(&t, 2, pid), 1),
			    "a (b) c");
	osdata_fini(&t);
}

static void shared_memory(void **state)
{
	const struct props *p = *state;
	struct osdata_table t = { 0 };
	char id[16];
	size_t r;

	snprintf(id, sizeof(id), "%d", p->shm);
	osdata_read(&t, "shm");
	r = find_row(&t, 1, id);
	assert_string_equal(osdata_cell(&t, r, 2), "640");
	assert_string_equal(osdata_cell(&t, r, 3), "12345");
	assert_string_equal(osdata_cell(&t, r, 4), "osdata_test");
	assert_string_not_equal(osdata_cell(&t, r, 11), "");
	osdata_fini(&t);
}

static void modules(void **state)
{
	char text[] = "nf_tables 376832 2 nft_ct,nft_chain_nat, Live 0x0000\n"
		      "broken 1\n"
		      "dm_mod 184320 0 - Live 0xffffffffc0123000 (OE)\n";
	static const char *const want[] = {
		"nf_tables", "376832", "2",	 "nft_ct,nft_chain_nat,",
		"Live",	     "0",      "dm_mod", "184320",
		"0",	     "-",      "Live",	 "ffffffffc0123000",
	};
	struct osdata_table t = { 0 };

	(void)state;
	osdata_put_modules(&t, text);
	assert_int_equal(t.n_cells, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(osdata_cell(&t, i / 6, i % 6), want[i]);
	osdata_fini(&t);
}

/* What may not stand in XML 1.0, section 2.2, or is not UTF-8. */
static void cells_are_clean(void **state)
{
	static const char *const cases[][2] = {
		{ " two words\n", "two words" },
		{ "a\tb\nc", "a\tb\nc" },
		{ "\x01\x1f\x7f", "???" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc3", "?" },
		{ "\xe2\x82", "??" },
		{ "\xc0\x80", "??" },
		{ "\xed\xa0\x80", "???" },
		{ "\xef\xbf\xbf", "???" },
		{ "\xf4\x90\x80\x80", "????" },
		{ "<&>", "<&>" },
		{ "", "" },
	};
	struct osdata_table t = { 0 };

	(void)state;
	osdata_put_column(&t, "cell");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		osdata_put(&t, cases[i][0]);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(osdata_cell(&t, i, 0), cases[i][1]);
	osdata_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_gdb),
		cmocka_unit_test(unknown_type),
		cmocka_unit_test(names_with_blanks),
		cmocka_unit_test(shared_memory),
		cmocka_unit_test(modules),
		cmocka_unit_test(cells_are_clean),
	};

	prctl(PR_SET_NAME, "osdata_test");
	return cmocka_run_group_tests(tests, props_make, props_drop);
}
