/* `monitor` commands: a table of their own, with its help text. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/packet.h"
#include "server/scripts.h"
#include "server/session.h"

typedef int command_fn(struct session *s, const char *args);

struct command {
	const char *name; /* matched up to its end or a blank */
	const char *args, *help;
	command_fn *fn;
};

static command_fn cmd_help, cmd_debug, cmd_remote_debug, cmd_debug_format,
	cmd_exit, cmd_version, cmd_info, cmd_gcore, cmd_trace, cmd_gdb_script,
	cmd_lldb_script, cmd_conditions, cmd_condition, cmd_logpoint;

static const struct command commands[] = {
	{ "help", "", "this list", cmd_help },
	{ "set debug", "0|1|AREA,...",
	  "what the server logs on its terminal; -AREA takes one out",
	  cmd_debug },
	{ "set remote-debug", "0|1", "the same for packets only",
	  cmd_remote_debug },
	{ "set debug-format", "all|none|timestamp",
	  "whether its lines begin with the time", cmd_debug_format },
	{ "set conditions", "auto|server|compiled",
	  "who evaluates those of breakpoints: the program, once many were "
	  "false; the server, at a stop each; the program",
	  cmd_conditions },
	{ "condition",
	  "LOCATION [if EXPR] [streq EXPR \"TEXT\"] [thread TID|NAME] [ignore "
	  "N] [every N]",
	  "what has to hold, too, where the client's breakpoints at LOCATION "
	  "stop; without arguments: which there are, with their hits; `condition "
	  "delete [NUMBER]`",
	  cmd_condition },
	{ "logpoint", "LOCATION \"FORMAT\" [EXPR, ...] [if EXPR]",
	  "print that to the client whenever a thread comes there, without a "
	  "stop; without arguments: which there are; `logpoint delete [NUMBER]`",
	  cmd_logpoint },
	{ "info", "", "what is being debugged, and how", cmd_info },
	{ "gcore", "[FILE]",
	  "write a core of the program to FILE, or core.PID, on the server's "
	  "machine",
	  cmd_gcore },
	{ "trace", "VERB...",
	  "run the program translated, and what that tells: see `monitor trace "
	  "help`",
	  cmd_trace },
	{ "gdb-script", "",
	  "the commands `qtrace` for gdb: python exec(gdb.execute('monitor "
	  "gdb-script', to_string=True))",
	  cmd_gdb_script },
	{ "lldb-script", "", "the same for lldb", cmd_lldb_script },
	{ "version", "", "the server's version", cmd_version },
	{ "exit", "", "end the server: programs it started are killed",
	  cmd_exit },
};

static void say(struct session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct session *s, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	session_print(s, line);
}

static int cmd_help(struct session *s, const char *args)
{
	(void)args;
	say(s, "The following monitor commands are supported:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		say(s, "  %s%s%s\n    %s\n", commands[i].name,
		    *commands[i].args ? " " : "", commands[i].args,
		    commands[i].help);
	say(s, "Areas of the log:\n");
	for (unsigned i = 0; i < LOG_N_AREAS; i++)
		say(s, "  %-8s %s\n", log_area_name(i), log_area_help(i));
	return 0;
}

/* 0 and 1 and their answers are gdbserver's. */
static int switch_areas(struct session *s, const char *all, const char *what,
			const char *args)
{
	bool off = !strcmp(args, "0"), on = !strcmp(args, "1");
	char areas[32];

	snprintf(areas, sizeof(areas), "%s%s", off ? "-" : "", all);
	if (!*args || log_select(on || off ? areas : args) < 0)
		return err_set(&s->err, -EINVAL,
			       "no log area '%s': see monitor help", args);
	if (on || off)
		say(s, "%s output %s.\n", what, on ? "enabled" : "disabled");
	else
		say(s, "%s output: %s.\n", what, args);
	return 0;
}

static int cmd_debug(struct session *s, const char *args)
{
	return switch_areas(s, "all", "Debug", args);
}

static int cmd_remote_debug(struct session *s, const char *args)
{
	return switch_areas(s, "remote", "Protocol debug", args);
}

static int cmd_debug_format(struct session *s, const char *args)
{
	bool on = strcmp(args, "none");

	log_times(on);
	say(s, "All extra debug format options %s.\n",
	    on ? "enabled" : "disabled");
	return 0;
}

static int cmd_conditions(struct session *s, const char *args)
{
	int r = target_place_conditions(s->target, args);

	if (r == -EOPNOTSUPP)
		return err_set(&s->err, r,
			       "conditions are evaluated in the server here");
	if (r < 0)
		return err_set(&s->err, r,
			       "conditions are evaluated: auto, server or "
			       "compiled");
	return 0;
}

typedef int text_fn(struct session *s, const char *line, struct buf *out);

static int say_text(struct session *s, text_fn *fn, const char *args)
{
	struct buf text = { 0 };
	int r = fn(s, args, &text);

	if (text.len)
		session_print(s, buf_str(&text));
	buf_fini(&text);
	return r;
}

static int cmd_condition(struct session *s, const char *args)
{
	return say_text(s, condition_command, args);
}

static int cmd_logpoint(struct session *s, const char *args)
{
	return say_text(s, logpoint_command, args);
}

static int cmd_exit(struct session *s, const char *args)
{
	(void)args;
	s->quit = true;
	return 0;
}

static int cmd_version(struct session *s, const char *args)
{
	(void)args;
	say(s, "tracestub " VERSION "\n");
	return 0;
}

static int cmd_info(struct session *s, const char *args)
{
	struct process *p;
	struct thread *th;
	struct point *pt;

	(void)args;
	list_each(p, &s->target->processes, node) {
		size_t threads = 0, points = 0;

		list_each(th, &p->threads, node)
			threads++;
		list_each(pt, &p->points->list, node)
			points++;
		say(s, "process %d (%s, %s): %s; %zu threads, %zu points\n",
		    p->pid, p->arch->name,
		    p->attached ? "attached to" : "started by us", p->path,
		    threads, points);
	}
	if (list_empty(&s->target->processes))
		say(s, "no program is being debugged\n");
	return 0;
}

/* The thread that a core is about: the one chosen, unless it was stopped only
 * because of another one. */
static struct thread *core_thread(struct session *s)
{
	struct thread *th = session_thread(s), *other;

	if (!th || th->last.kind != STOP_NONE)
		return th;
	list_each(other, &th->proc->threads, node) {
		if (other->last.kind != STOP_NONE)
			return other;
	}
	return th;
}

static int cmd_gcore(struct session *s, const char *args)
{
	struct thread *th = core_thread(s);
	struct core_result result;
	char name[32];
	int r;

	if (!th)
		return err_set(&s->err, -ESRCH,
			       "no program to write a core of");
	if (!s->target->ops->core)
		return err_set(&s->err, -EOPNOTSUPP,
			       "cores cannot be written here");
	snprintf(name, sizeof(name), "core.%d", th->proc->pid);
	if (!*args)
		args = name;
	r = s->target->ops->core->dump(s->target, th, args, &result, &s->err);
	if (r < 0)
		return r;
	say(s, "Saved corefile %s (%u threads, %.1f MiB)\n", args,
	    result.threads, (double)result.size / (1 << 20));
	return 0;
}

static int cmd_trace(struct session *s, const char *args)
{
	return monitor_trace(s, args);
}

/* Line by line: clients have room for so much of a packet. */
static int print_script(struct session *s, const char *text)
{
	char piece[1024];
	size_t n;

	for (; *text; text += n) {
		const char *end = strchr(text, '\n');

		n = end ? (size_t)(end - text) + 1 : strlen(text);
		if (n >= sizeof(piece))
			n = sizeof(piece) - 1;
		memcpy(piece, text, n);
		piece[n] = '\0';
		session_print(s, piece);
	}
	return 0;
}

static int cmd_gdb_script(struct session *s, const char *args)
{
	(void)args;
	return print_script(s, script_gdb);
}

static int cmd_lldb_script(struct session *s, const char *args)
{
	(void)args;
	return print_script(s, script_lldb);
}

void monitor_print(struct buf *out)
{
	buf_puts(out, "| `monitor` | what it does |\n|---|---|\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		buf_printf(out, "| `%s%s", c->name, *c->args ? " " : "");
		put_cell(out, c->args);
		buf_printf(out, "` | %s |\n", c->help);
	}
}

static const struct command *find_command(const char *line, const char **args)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t n = strlen(commands[i].name);

		if (strncmp(line, commands[i].name, n) ||
		    (line[n] && line[n] != ' '))
			continue;
		*args = line + n + strspn(line + n, " ");
		return &commands[i];
	}
	return NULL;
}

int pk_monitor(struct session *s, struct args *a, struct buf *out)
{
	const struct command *c;
	const char *args;
	char *line;
	int r;

	if (!take_hex_string(a, 4096, &line))
		return -EPROTO;
	c = find_command(line + strspn(line, " "), &args);
	if (!take_end(a)) {
		r = -EPROTO;
	} else if (c) {
		r = c->fn(s, args);
	} else {
		say(s, "Unknown monitor command.\n\n");
		cmd_help(s, "");
		r = err_set(&s->err, -EPROTO, "no such monitor command: %s",
			    line);
	}
	free(line);
	if (r >= 0)
		buf_puts(out, "OK");
	else if (s->err.text[0] && c && !s->client.error_message)
		say(s, "%s\n", s->err.text);
	return r;
}
