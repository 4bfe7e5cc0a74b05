#include "tracepoint/tracepoint.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

struct tracepoint *tracepoint_new(unsigned number, uint64_t addr)
{
	struct tracepoint *tp = xcalloc(1, sizeof(*tp));

	tp->number = number;
	tp->addr = addr;
	list_init(&tp->sources);
	list_init(&tp->node);
	return tp;
}

static void actions_fini(struct trace_actions *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->list[i].text);
		ax_free(v->list[i].program);
	}
	free(v->list);
}

static void source_free(struct trace_source *src)
{
	list_drop(&src->node);
	free(src->type);
	free(src->text);
	free(src);
}

void tracepoint_free(struct tracepoint *tp)
{
	struct trace_source *src, *next;

	list_drop(&tp->node);
	list_each_safe(src, next, &tp->sources, node)
		source_free(src);
	actions_fini(&tp->actions);
	actions_fini(&tp->step_actions);
	ax_free(tp->condition);
	free(tp->condition_text);
	free(tp);
}

struct trace_action *trace_action_add(struct trace_actions *v)
{
	v->list = xrealloc(v->list, (v->n + 1) * sizeof(*v->list));
	v->list[v->n] = (struct trace_action){ 0 };
	return &v->list[v->n++];
}

static struct trace_source *last_source(struct tracepoint *tp, const char *type)
{
	struct trace_source *src, *last = NULL;

	list_each(src, &tp->sources, node) {
		if (!strcmp(src->type, type))
			last = src;
	}
	return last;
}

void tracepoint_add_source(struct tracepoint *tp, const char *type,
			   uint64_t start, const char *text)
{
	struct trace_source *src = start ? last_source(tp, type) : NULL;
	char *longer;

	if (src) {
		longer = xasprintf("%s%s", src->text, text);
		free(src->text);
		src->text = longer;
		return;
	}
	src = xcalloc(1, sizeof(*src));
	src->type = xstrdup(type);
	src->text = xstrdup(text);
	list_add(&tp->sources, &src->node);
}

/* --- variables ----------------------------------------------------------- */

uint64_t trace_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static struct trace_variable *variable_add(struct list *vars, unsigned number,
					   const char *name)
{
	struct trace_variable *v = xcalloc(1, sizeof(*v));

	v->number = number;
	v->name = xstrdup(name);
	list_add(vars->next, &v->node);
	return v;
}

static void variable_free(struct trace_variable *v)
{
	list_drop(&v->node);
	free(v->name);
	free(v);
}

void trace_variables_init(struct list *vars)
{
	list_init(vars);
	variable_add(vars, TRACE_TIMESTAMP, "trace_timestamp")->builtin = true;
}

void trace_variables_clear(struct list *vars)
{
	struct trace_variable *v, *next;

	list_each_safe(v, next, vars, node) {
		if (!v->builtin)
			variable_free(v);
	}
}

void trace_variables_fini(struct list *vars)
{
	struct trace_variable *v, *next;

	list_each_safe(v, next, vars, node)
		variable_free(v);
}

struct trace_variable *trace_variable_find(const struct list *vars,
					   unsigned number)
{
	struct trace_variable *v;

	list_each(v, vars, node) {
		if (v->number == number)
			return v;
	}
	return NULL;
}

void trace_variable_set(struct list *vars, unsigned number, int64_t initial,
			const char *name)
{
	struct trace_variable *v = trace_variable_find(vars, number);

	if (v && v->builtin)
		return;
	if (!v)
		v = variable_add(vars, number, "");
	free(v->name);
	v->name = xstrdup(name);
	v->initial = v->value = initial;
}

int64_t trace_variable_value(const struct trace_variable *v)
{
	return v->builtin ? (int64_t)trace_time() : v->value;
}
