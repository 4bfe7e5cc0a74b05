/* The target description: a document a connection, a few hundred elements. */
#include <string.h>

#include "xml/text.h"
#include "xml/xml.h"

static void attr(struct buf *out, const char *name, const char *value)
{
	if (value)
		attr_put(out, name, value, TEXT_SHOWN);
}

static void element_put(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<%s>", name);
	text_put(out, text, TEXT_SHOWN);
	buf_printf(out, "</%s>\n", name);
}

static void field_put(struct buf *out, const struct regtype *t,
		      const struct regfield *f)
{
	buf_puts(out, "<field");
	attr(out, "name", f->name);
	if (t->count) {
		attr_put_dec(out, "start", f->bit);
		attr_put_dec(out, "end", f->end);
	}
	attr(out, "type", f->type);
	buf_puts(out, "/>\n");
}

static void type_put(struct buf *out, const struct regtype *t)
{
	static const char *const names[] = {
		[REGTYPE_VECTOR] = "vector",
		[REGTYPE_UNION] = "union",
		[REGTYPE_STRUCT] = "struct",
		[REGTYPE_FLAGS] = "flags",
	};

	buf_putc(out, '<');
	buf_puts(out, names[t->kind]);
	attr(out, "id", t->id);
	attr(out, "type", t->elem);
	if (t->count)
		attr_put_dec(out,
			     t->kind == REGTYPE_VECTOR ? "count" : "size",
			     t->count);
	if (!t->n_fields) {
		buf_puts(out, "/>\n");
		return;
	}
	buf_puts(out, ">\n");
	for (unsigned i = 0; i < t->n_fields; i++)
		field_put(out, t, &t->fields[i]);
	buf_printf(out, "</%s>\n", names[t->kind]);
}

static void reg_put(struct buf *out, const struct regdesc *r, size_t number)
{
	buf_puts(out, "<reg");
	attr(out, "name", r->name);
	attr_put_dec(out, "bitsize", r->bits);
	attr(out, "type", r->type);
	attr_put_dec(out, "regnum", (unsigned)number);
	attr(out, "group", r->group);
	buf_puts(out, "/>\n");
}

/* The feature that begins at register i; returns the register after it. */
static size_t feature_put(struct buf *out, const struct xml_target *t,
			  size_t i)
{
	const char *name = t->regs[i].feature;

	buf_puts(out, "<feature");
	attr(out, "name", name);
	buf_puts(out, ">\n");
	for (size_t k = 0; k < t->n_types; k++)
		if (!strcmp(t->types[k].feature, name))
			type_put(out, &t->types[k]);
	for (; i < t->n_regs && !strcmp(t->regs[i].feature, name); i++)
		reg_put(out, &t->regs[i], i);
	buf_puts(out, "</feature>\n");
	return i;
}

void xml_target_put(struct buf *out, const struct xml_target *t)
{
	buf_puts(out, "<?xml version=\"1.0\"?>\n<target version=\"1.0\">\n");
	element_put(out, "architecture", t->arch);
	if (t->osabi)
		element_put(out, "osabi", t->osabi);
	for (size_t i = 0; i < t->n_regs;)
		i = feature_put(out, t, i);
	buf_puts(out, "</target>\n");
}
