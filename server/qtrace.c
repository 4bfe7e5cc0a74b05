#include "server/qtrace.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "rsp/binary.h"

static const struct verb {
	const char *name, *args, *help;
	verb_fn *fn;
} verbs[] = {
#define VERB(name, fn, args, help) { name, args, help, fn },
#include "server/qtrace.def"
#undef VERB
};

/* --- what there is ------------------------------------------------------- */

int verb_features(struct session *s, struct args *a, struct buf *out)
{
	(void)s;
	if (!take_end(a))
		return -EPROTO;
	buf_puts(out, "version=" VERSION ";verbs=");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		buf_printf(out, "%s%s", i ? "," : "", verbs[i].name);
	buf_puts(out, ";modes=");
	put_modes(out, ",");
	buf_puts(out, ";events=call,ret,exec,block,compile;annexes=");
	put_annexes(out);
	buf_printf(out, ";buffer=%lx;buffer-most=%lx", KEPT_DEFAULT, KEPT_MOST);
	return 0;
}

static void put_counter(void *user, const char *name, const char *text,
			uint64_t value)
{
	(void)text;
	buf_printf(user, "%s=%lu;", name, value);
}

int verb_stats(struct session *s, struct args *a, struct buf *out)
{
	if (!take_end(a))
		return -EPROTO;
	translate_stats_each(s->target, put_counter, out);
	return 0;
}

/* --- both ways in -------------------------------------------------------- */

static const struct verb *take_verb(struct args *a, char sep)
{
	const char stops[2] = { sep, '\0' };
	struct args word;

	if (!take_word(a, stops, &word))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct args name = word;

		if (take_name(&name, verbs[i].name) && take_end(&name)) {
			take_char(a, sep);
			return &verbs[i];
		}
	}
	return NULL;
}

int pk_trace(struct session *s, struct args *a, struct buf *out)
{
	const struct verb *v = take_verb(a, ':');
	struct buf text = { 0 };
	int r = v ? v->fn(s, a, &text) : -ENOTSUP;

	/* Only a verb that is not known is answered by nothing. */
	if (v && r == -ENOTSUP)
		r = -EPERM;
	if (v && r == -EPROTO && !s->err.text[0])
		r = err_set(&s->err, r, "%s takes no arguments", v->name);
	buf_put_escaped(out, text.data, text.len);
	buf_fini(&text);
	return r < 0 ? r : REPLY_NOW;
}

/* Of one verb; NULL: of all. */
static void print_help(struct session *s, const struct verb *of)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!of || of == &verbs[i])
			buf_printf(&text, "  monitor trace %s %s\n    %s\n",
				   verbs[i].name, verbs[i].args, verbs[i].help);
	}
	session_print(s, buf_str(&text));
	buf_fini(&text);
}

static bool take_word_help(struct args *a)
{
	struct args at = *a;

	if (!take_name(&at, "help") || (!take_end(&at) && !take_char(&at, ' ')))
		return false;
	*a = at;
	return true;
}

/* "", "help", "help VERB" and "VERB help". */
static bool take_help(struct session *s, struct args a)
{
	bool first = take_end(&a) || take_word_help(&a);
	const struct verb *v = take_verb(&a, ' ');

	if (!first && (!v || !take_word_help(&a)))
		return false;
	print_help(s, v);
	return true;
}

/* A pair a line is what a person reads. */
static void print_pairs(struct session *s, struct buf *text)
{
	for (char *p = buf_str(text); *p; p++) {
		if (*p == ';')
			*p = '\n';
	}
	buf_puts(text, "\n");
	session_print(s, buf_str(text));
}

int monitor_trace(struct session *s, const char *line)
{
	struct args a = args_of(line, strlen(line));
	const struct verb *v;
	struct buf text = { 0 };
	int r;

	if (take_help(s, a))
		return 0;
	v = take_verb(&a, ' ');
	if (!v)
		return err_set(&s->err, -EINVAL,
			       "no such verb of trace: %s; see monitor trace "
			       "help",
			       line);
	r = v->fn(s, &a, &text);
	if (r == -EPROTO)
		r = err_set(&s->err, -EINVAL, "%s takes no arguments", v->name);
	if (r >= 0 && strcmp(buf_str(&text), "OK"))
		print_pairs(s, &text);
	buf_fini(&text);
	return r < 0 ? r : 0;
}
