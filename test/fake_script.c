/* The fake target's world and events by words: see fake.h for the forms. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "test/fake_private.h"

/* Hex digits, blanks between them allowed, to bytes. */
static int bytes_of(struct buf *out, const char *text)
{
	uint8_t byte;

	for (; *text; text += 2) {
		while (*text == ' ')
			text++;
		if (!*text)
			break;
		if (!text[1] || !hex_decode(&byte, text, 1))
			return -EINVAL;
		buf_putc(out, (char)byte);
	}
	return 0;
}

static int script_process(struct fake *f, const char *args)
{
	unsigned pid;

	if (sscanf(args, "%x", &pid) != 1)
		return -EINVAL;
	fake_process_add(f, (pid_t)pid);
	return 0;
}

static int script_thread(struct fake *f, const char *args)
{
	unsigned pid, tid;

	if (sscanf(args, "%x.%x", &pid, &tid) != 2 ||
	    !fake_process_find(f, (pid_t)pid))
		return -EINVAL;
	fake_thread_add(f, (pid_t)pid, (pid_t)tid);
	return 0;
}

static int script_memory(struct fake *f, const char *args)
{
	struct buf data = { 0 };
	unsigned pid;
	uint64_t addr;
	int at, err = -EINVAL;

	if (sscanf(args, "%x %" SCNx64 " %n", &pid, &addr, &at) != 2 ||
	    !fake_process_find(f, (pid_t)pid))
		return -EINVAL;
	if (bytes_of(&data, args + at) == 0) {
		fake_memory_add(f, (pid_t)pid, addr, data.data, data.len);
		err = 0;
	}
	buf_fini(&data);
	return err;
}

static int script_zeros(struct fake *f, const char *args)
{
	unsigned pid, len;
	uint64_t addr;

	if (sscanf(args, "%x %" SCNx64 " %x", &pid, &addr, &len) != 3 ||
	    !fake_process_find(f, (pid_t)pid))
		return -EINVAL;
	fake_memory_add(f, (pid_t)pid, addr, NULL, len);
	return 0;
}

static int script_reg(struct fake *f, const char *args)
{
	char name[32];
	unsigned tid;
	uint64_t v;

	if (sscanf(args, "%x %31s %" SCNx64, &tid, name, &v) != 3)
		return -EINVAL;
	return fake_reg_set(f, (pid_t)tid, name, v);
}

static int script_auxv(struct fake *f, const char *args)
{
	struct buf data = { 0 };
	int err = bytes_of(&data, args);

	if (!err)
		fake_auxv_set(f, data.data, data.len);
	buf_fini(&data);
	return err;
}

static int script_branches(struct fake *f, const char *args)
{
	struct fake_thread *th;
	struct branch *b;
	unsigned tid;
	int n;

	if (sscanf(args, "%x%n", &tid, &n) != 1 ||
	    !(th = fake_thread_find(f, (pid_t)tid)))
		return -EINVAL;
	th->n_branches = 0;
	for (args += n; *args; args += n, th->n_branches++) {
		b = &th->branches[th->n_branches];
		if (th->n_branches == FAKE_BRANCHES ||
		    sscanf(args, " %" SCNx64 "-%" SCNx64 "%n", &b->begin,
			   &b->end, &n) != 2)
			return -EINVAL;
	}
	if (!th->n_branches)
		th->n_branches = -EOVERFLOW;
	return 0;
}

static int script_arrive(struct fake *f, const char *args)
{
	unsigned pid, tid;
	uint64_t addr;

	if (sscanf(args, "%x.%x %" SCNx64, &pid, &tid, &addr) != 3)
		return -EINVAL;
	fake_arrive(f, (struct ptid){ (pid_t)pid, (pid_t)tid }, addr);
	return 0;
}

/* What the word after the kind is. */
enum operand { NOTHING, SIGNO, CODE, ADDR, CHILD, THREAD, PATH };

static const struct stop_word {
	const char *word;
	enum stop_kind kind;
	enum point_kind point;
	enum operand operand;
} stop_words[] = {
	{ "signal", STOP_SIGNAL, POINT_SW, SIGNO },
	{ "step", STOP_STEP, POINT_SW, NOTHING },
	{ "break", STOP_SWBREAK, POINT_SW, ADDR },
	{ "hbreak", STOP_HWBREAK, POINT_HW, ADDR },
	{ "write", STOP_WATCH, POINT_WRITE, ADDR },
	{ "read", STOP_WATCH, POINT_READ, ADDR },
	{ "access", STOP_WATCH, POINT_ACCESS, ADDR },
	{ "fork", STOP_FORK, POINT_SW, CHILD },
	{ "vfork", STOP_VFORK, POINT_SW, CHILD },
	{ "vfork-done", STOP_VFORK_DONE, POINT_SW, NOTHING },
	{ "exec", STOP_EXEC, POINT_SW, PATH },
	{ "created", STOP_CREATED, POINT_SW, NOTHING },
	{ "thread-exit", STOP_THREAD_EXIT, POINT_SW, CODE },
	{ "exited", STOP_EXITED, POINT_SW, CODE },
	{ "syscall-entry", STOP_SYSCALL_ENTRY, POINT_SW, CODE },
	{ "syscall-return", STOP_SYSCALL_RETURN, POINT_SW, CODE },
	{ "cloned", STOP_CLONED, POINT_SW, THREAD },
	{ "killed", STOP_KILLED, POINT_SW, SIGNO },
};

static const struct stop_word *stop_word_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(stop_words); i++)
		if (!strcmp(stop_words[i].word, word))
			return &stop_words[i];
	return NULL;
}

/* A forked child begins with one thread; its memory comes with the event. */
static void child_add(struct fake *f, struct stop *s, pid_t pid)
{
	fake_process_add(f, pid);
	fake_process_find(f, pid)->taken = true;
	s->child = (struct ptid){ pid, pid };
}

/* A watchpoint's address, or those of several: "1000,1008". */
static void take_addresses(struct stop *s, const char *text)
{
	char *end;

	s->addr = strtoull(text, &end, 16);
	if (s->kind != STOP_WATCH)
		return;
	s->watch[s->n_watch++] = (struct watch_hit){ s->addr, s->point };
	while (*end == ',' && s->n_watch < STOP_MAX_WATCH) {
		uint64_t addr = strtoull(end + 1, &end, 16);

		s->watch[s->n_watch++] = (struct watch_hit){ addr, s->point };
	}
}

static int script_stop(struct fake *f, const char *args)
{
	char word[32], operand[256] = "";
	struct stop s = { 0 };
	const struct stop_word *w;
	struct fake_event *e;
	unsigned pid, tid;
	uint64_t v;

	if (sscanf(args, "%x.%x %31s %255s", &pid, &tid, word, operand) < 3)
		return -EINVAL;
	w = stop_word_find(word);
	if (!w || (w->operand == NOTHING) != !*operand)
		return -EINVAL;
	s.id = (struct ptid){ (pid_t)pid, (pid_t)tid };
	s.kind = w->kind;
	s.point = w->point;
	v = strtoull(operand, NULL, 16);
	if (w->operand == SIGNO)
		s.signo = (int)v;
	else if (w->operand == CODE)
		s.code = (int)v;
	else if (w->operand == ADDR)
		take_addresses(&s, operand);
	else if (w->operand == CHILD)
		child_add(f, &s, (pid_t)v);
	else if (w->operand == THREAD)
		s.child = (struct ptid){ (pid_t)pid, (pid_t)v };
	e = fake_event_add(f, &s);
	if (w->operand == PATH)
		e->path = xstrdup(operand);
	return 0;
}

int fake_script(struct fake *f, const char *line)
{
	static const struct {
		const char *verb;
		int (*run)(struct fake *f, const char *args);
	} verbs[] = {
		{ "process", script_process }, { "thread", script_thread },
		{ "memory", script_memory },   { "zeros", script_zeros },
		{ "reg", script_reg },	       { "auxv", script_auxv },
		{ "arrive", script_arrive },   { "stop", script_stop },
		{ "branches", script_branches },
	};
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strlen(verbs[i].verb) == len &&
		    !memcmp(verbs[i].verb, line, len))
			return verbs[i].run(f, line + len);
	return -EINVAL;
}
