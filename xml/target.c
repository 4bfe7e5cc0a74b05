/*
 * The target description, by libxml2's writer: a document a connection, of a
 * few hundred elements. The lists, which are asked for again and again, are
 * written by hand: the writer takes 1.5 us a row.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libxml/xmlwriter.h>

#include "base/err.h"
#include "xml/xml.h"

static int sink_write(void *user, const char *data, int n)
{
	buf_put(user, data, (size_t)n);
	return n;
}

static xmlTextWriterPtr writer_new(struct buf *out)
{
	xmlOutputBufferPtr sink;
	xmlTextWriterPtr w;

	sink = xmlOutputBufferCreateIO(sink_write, NULL, out, NULL);
	if (!sink)
		return NULL;
	w = xmlNewTextWriter(sink);
	if (!w)
		xmlOutputBufferClose(sink);
	return w;
}

static void start(xmlTextWriterPtr w, const char *name)
{
	xmlTextWriterStartElement(w, BAD_CAST name);
}

static void end(xmlTextWriterPtr w)
{
	xmlTextWriterEndElement(w);
}

static void attr(xmlTextWriterPtr w, const char *name, const char *value)
{
	if (value)
		xmlTextWriterWriteAttribute(w, BAD_CAST name, BAD_CAST value);
}

static void attr_num(xmlTextWriterPtr w, const char *name, size_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", v);
	attr(w, name, text);
}

static void field_put(xmlTextWriterPtr w, const struct regtype *t,
		      const struct regfield *f)
{
	start(w, "field");
	attr(w, "name", f->name);
	if (t->count) {
		attr_num(w, "start", f->bit);
		attr_num(w, "end", f->end);
	}
	attr(w, "type", f->type);
	end(w);
}

static void type_put(xmlTextWriterPtr w, const struct regtype *t)
{
	static const char *const names[] = {
		[REGTYPE_VECTOR] = "vector",
		[REGTYPE_UNION] = "union",
		[REGTYPE_STRUCT] = "struct",
		[REGTYPE_FLAGS] = "flags",
	};

	start(w, names[t->kind]);
	attr(w, "id", t->id);
	attr(w, "type", t->elem);
	if (t->count)
		attr_num(w, t->kind == REGTYPE_VECTOR ? "count" : "size",
			 t->count);
	for (unsigned i = 0; i < t->n_fields; i++)
		field_put(w, t, &t->fields[i]);
	end(w);
}

static void reg_put(xmlTextWriterPtr w, const struct regdesc *r, size_t number)
{
	start(w, "reg");
	attr(w, "name", r->name);
	attr_num(w, "bitsize", r->bits);
	attr(w, "type", r->type);
	attr_num(w, "regnum", number);
	attr(w, "group", r->group);
	end(w);
}

/* The feature that begins at register i; returns the register after it. */
static size_t feature_put(xmlTextWriterPtr w, const struct xml_target *t,
			  size_t i)
{
	const char *name = t->regs[i].feature;

	start(w, "feature");
	attr(w, "name", name);
	for (size_t k = 0; k < t->n_types; k++)
		if (!strcmp(t->types[k].feature, name))
			type_put(w, &t->types[k]);
	for (; i < t->n_regs && !strcmp(t->regs[i].feature, name); i++)
		reg_put(w, &t->regs[i], i);
	end(w);
	return i;
}

static void target_put(xmlTextWriterPtr w, const struct xml_target *t)
{
	xmlTextWriterStartDocument(w, NULL, NULL, NULL);
	xmlTextWriterSetIndent(w, 1);
	start(w, "target");
	attr(w, "version", "1.0");
	xmlTextWriterWriteElement(w, BAD_CAST "architecture", BAD_CAST t->arch);
	if (t->osabi)
		xmlTextWriterWriteElement(w, BAD_CAST "osabi",
					  BAD_CAST t->osabi);
	for (size_t i = 0; i < t->n_regs;)
		i = feature_put(w, t, i);
	end(w);
	xmlTextWriterEndDocument(w);
}

int xml_target_put(struct buf *out, const struct xml_target *t)
{
	xmlTextWriterPtr w = writer_new(out);

	if (!w)
		return -ENOMEM;
	target_put(w, t);
	xmlFreeTextWriter(w);
	return 0;
}
