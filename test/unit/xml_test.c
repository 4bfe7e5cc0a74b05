/*
 * Every document is parsed again with libxml2, and what comes out is compared
 * with what went in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>

#include "arch/arch.h"
#include "base/mem.h"
#include "xml/xml.h"

static xmlDocPtr parse(const struct buf *b)
{
	xmlDocPtr doc =
		xmlReadMemory(b->data, (int)b->len, "", NULL, XML_PARSE_NONET);

	assert_non_null(doc);
	return doc;
}

static xmlNodePtr element_after(xmlNodePtr n)
{
	while (n && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return n;
}

static xmlNodePtr first(xmlNodePtr parent)
{
	return element_after(parent->children);
}

static xmlNodePtr next(xmlNodePtr n)
{
	return element_after(n->next);
}

static size_t children(xmlNodePtr parent)
{
	size_t n = 0;

	for (xmlNodePtr c = first(parent); c; c = next(c))
		n++;
	return n;
}

static void assert_name(xmlNodePtr n, const char *name)
{
	assert_non_null(n);
	assert_string_equal((const char *)n->name, name);
}

/* NULL: the attribute is not there. */
static void assert_attr(xmlNodePtr n, const char *name, const char *value)
{
	xmlChar *v = xmlGetNoNsProp(n, BAD_CAST name);

	if (value)
		assert_string_equal((const char *)v, value);
	else
		assert_null(v);
	xmlFree(v);
}

static void assert_attr_num(xmlNodePtr n, const char *name, size_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%zu", value);
	assert_attr(n, name, text);
}

static void assert_text(xmlNodePtr n, const char *text)
{
	xmlChar *v = xmlNodeGetContent(n);

	assert_string_equal((const char *)v, text);
	xmlFree(v);
}

static const char *const names[] = { "vector", "union", "struct", "flags" };

static void check_type(xmlNodePtr n, const struct regtype *t)
{
	xmlNodePtr f = first(n);

	assert_name(n, names[t->kind]);
	assert_attr(n, "id", t->id);
	assert_attr(n, "type", t->elem);
	if (t->kind == REGTYPE_VECTOR)
		assert_attr_num(n, "count", t->count);
	else if (t->count)
		assert_attr_num(n, "size", t->count);
	else
		assert_attr(n, "size", NULL);
	for (unsigned i = 0; i < t->n_fields; i++, f = next(f)) {
		assert_name(f, "field");
		assert_attr(f, "name", t->fields[i].name);
		assert_attr(f, "type", t->fields[i].type);
		if (t->count) {
			assert_attr_num(f, "start", t->fields[i].bit);
			assert_attr_num(f, "end", t->fields[i].end);
		}
	}
	assert_null(f);
}

static void check_reg(xmlNodePtr n, const struct regdesc *r, size_t number)
{
	assert_name(n, "reg");
	assert_attr(n, "name", r->name);
	assert_attr_num(n, "bitsize", r->bits);
	assert_attr(n, "type", r->type);
	assert_attr(n, "group", r->group);
	assert_attr_num(n, "regnum", number);
}

/* All that the feature of register i has, in order; the register after it. */
static size_t check_feature(xmlNodePtr feature, const struct arch *a, size_t i)
{
	const char *name = a->regs[i].feature;
	xmlNodePtr n = first(feature);

	assert_name(feature, "feature");
	assert_attr(feature, "name", name);
	for (size_t k = 0; k < a->n_types; k++) {
		if (strcmp(a->types[k].feature, name) != 0)
			continue;
		check_type(n, &a->types[k]);
		n = next(n);
	}
	for (; i < a->n_regs && !strcmp(a->regs[i].feature, name); i++) {
		check_reg(n, &a->regs[i], i);
		n = next(n);
	}
	assert_null(n);
	return i;
}

static void check_target(struct arch *a)
{
	struct xml_target t = { a->name,    a->osabi, a->types,
				a->n_types, a->regs,  a->n_regs };
	struct buf b = { 0 };
	xmlDocPtr doc;
	xmlNodePtr n;

	xml_target_put(&b, &t);
	doc = parse(&b);
	n = xmlDocGetRootElement(doc);
	assert_name(n, "target");
	assert_attr(n, "version", "1.0");
	n = first(n);
	assert_name(n, "architecture");
	assert_text(n, a->name);
	n = next(n);
	assert_name(n, "osabi");
	assert_text(n, "GNU/Linux");
	for (size_t i = 0; i < a->n_regs;) {
		n = next(n);
		i = check_feature(n, a, i);
	}
	assert_null(next(n));
	xmlFreeDoc(doc);
	buf_fini(&b);
	arch_free(a);
}

static void test_target(void **state)
{
	struct xsave_layout all = { .features = 0x2ff, .size = 2696 };
	struct xsave_layout none = { .size = 512 };

	(void)state;
	check_target(arch_x86_64_new(&all));
	check_target(arch_i386_new(&all));
	check_target(arch_x86_64_new(&none));
	check_target(arch_i386_new(&none));
}

static void test_target_appends(void **state)
{
	struct xml_target t = { .arch = "i386" };
	struct buf b = { 0 };

	(void)state;
	buf_puts(&b, "l");
	xml_target_put(&b, &t);
	assert_int_equal(b.data[0], 'l');
	assert_memory_equal(b.data + 1, "<?xml", 5);
	buf_fini(&b);
}

static void test_threads(void **state)
{
	static const uint8_t handle[] = { 0x40, 0xf7, 0x00, 0xff };
	struct xml_thread plain = { .id = "p1f.20", .core = -1 };
	struct xml_thread full = { "p1f.21", 12, "work<er>", handle, 4 };
	struct buf b = { 0 };
	xmlDocPtr doc;
	xmlNodePtr n;

	(void)state;
	xml_threads_begin(&b);
	xml_threads_add(&b, &plain);
	xml_threads_add(&b, &full);
	xml_threads_end(&b);
	doc = parse(&b);
	n = xmlDocGetRootElement(doc);
	assert_name(n, "threads");
	assert_int_equal(children(n), 2);
	n = first(n);
	assert_name(n, "thread");
	assert_attr(n, "id", "p1f.20");
	assert_attr(n, "core", NULL);
	assert_attr(n, "name", NULL);
	assert_attr(n, "handle", NULL);
	n = next(n);
	assert_attr(n, "id", "p1f.21");
	assert_attr(n, "core", "12");
	assert_attr(n, "name", "work<er>");
	assert_attr(n, "handle", "40f700ff");
	xmlFreeDoc(doc);
	buf_fini(&b);
}

/* What a thread's name looks like at the other end. */
static void check_shown(const char *in, const char *out)
{
	struct xml_thread t = { .id = "1", .core = 0, .name = in };
	struct buf b = { 0 };
	xmlDocPtr doc;

	xml_threads_begin(&b);
	xml_threads_add(&b, &t);
	xml_threads_end(&b);
	doc = parse(&b);
	assert_attr(first(xmlDocGetRootElement(doc)), "name", out);
	xmlFreeDoc(doc);
	buf_fini(&b);
}

#define BAD "\xef\xbf\xbd"

static void test_hostile_names(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "a&b<c>\"d'e", NULL },
		{ "]]>", NULL },
		{ "&#65;&amp;", NULL },
		{ " \t\n\r", NULL },
		{ "kworker/u8:1-\x7f", NULL },
		{ "gr\xc3\xbc\xc3\x9f", NULL },
		{ "\xe6\x97\xa5\xf0\x9f\x90\x9b", NULL },
		{ "\xf4\x8f\xbd\x81", NULL }, /* U+10FF41 is a character */
		{ "a\x01z\x1b[31m", "a" BAD "z" BAD "[31m" },
		{ "latin\xe9", "latin" BAD },
		{ "\xc3", BAD },
		{ "\xe6\x97", BAD BAD },
		{ "\xc0\xaf", BAD BAD },	 /* overlong */
		{ "\xe0\x80\xaf", BAD BAD BAD }, /* overlong */
		{ "\xf0\x80\x80\xaf", BAD BAD BAD BAD },
		{ "\xed\xa0\x80", BAD BAD BAD },	 /* a surrogate */
		{ "\xef\xbf\xbe", BAD BAD BAD },	 /* U+FFFE */
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD }, /* past the end */
		{ "\xff\xfe", BAD BAD },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_shown(rows[i].in, rows[i].out ? rows[i].out : rows[i].in);
}

static xmlDocPtr library_list(const char *name)
{
	struct xml_library l = { name, 0x7ffff7ffe2c0, 0x7ffff7dc9000,
				 0xffffffffffffffff, 0x7ffff7ffe118 };
	struct buf b = { 0 };
	xmlDocPtr doc;

	xml_libraries_begin(&b, 0x10);
	xml_libraries_add(&b, &l);
	xml_libraries_end(&b);
	doc = parse(&b);
	buf_fini(&b);
	return doc;
}

static void test_libraries(void **state)
{
	xmlDocPtr doc = library_list("/lib/libc & co.so.6");
	xmlNodePtr n = xmlDocGetRootElement(doc);

	(void)state;
	assert_name(n, "library-list-svr4");
	assert_attr(n, "version", "1.0");
	assert_attr(n, "main-lm", "0x10");
	assert_int_equal(children(n), 1);
	n = first(n);
	assert_name(n, "library");
	assert_attr(n, "name", "/lib/libc & co.so.6");
	assert_attr(n, "lm", "0x7ffff7ffe2c0");
	assert_attr(n, "l_addr", "0x7ffff7dc9000");
	assert_attr(n, "l_ld", "0xffffffffffffffff");
	assert_attr(n, "lmid", "0x7ffff7ffe118");
	xmlFreeDoc(doc);
}

static void test_libraries_empty(void **state)
{
	struct buf b = { 0 };
	xmlDocPtr doc;

	(void)state;
	xml_libraries_begin(&b, 0);
	xml_libraries_end(&b);
	doc = parse(&b);
	assert_attr(xmlDocGetRootElement(doc), "main-lm", NULL);
	assert_int_equal(children(xmlDocGetRootElement(doc)), 0);
	xmlFreeDoc(doc);
	buf_fini(&b);
}

/* Through a list and back: the same bytes. */
static void check_path(const char *path)
{
	xmlDocPtr doc = library_list(path);
	xmlChar *v = xmlGetNoNsProp(first(xmlDocGetRootElement(doc)),
				    BAD_CAST "name");

	assert_true(xml_path_decode((char *)v));
	assert_string_equal((const char *)v, path);
	xmlFree(v);
	xmlFreeDoc(doc);
}

static void test_paths(void **state)
{
	char path[64];

	(void)state;
	check_path("/lib/x86_64-linux-gnu/libc.so.6");
	check_path("/tmp/<a> \"b\" 'c' & d\n\t\r");
	check_path("/tmp/gr\xc3\xbc\xc3\x9f");
	check_path("/tmp/\xf4\x8f\xbd\x81"); /* looks like a replaced byte */
	check_path("/tmp/\xf4\x8f\xbc\x80");
	for (unsigned c = 1; c < 256; c++) {
		snprintf(path, sizeof(path), "/tmp/%c.so", c);
		check_path(path);
	}
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned n = (unsigned)rand() % 12;

		for (unsigned k = 0; k < n; k++)
			path[k] = "\x01"
				  "a&\xc3\xbc\xf4\x8f\xbd\x81\xbc\xed\xa0"
				  "\xff"[rand() % 13];
		path[n] = '\0';
		check_path(path);
	}
}

static void test_path_decode_zero(void **state)
{
	char path[] = "/bin/a\xf4\x8f\xbc\x80z";
	char loose[] = "a\xff\xf4\x8f";

	(void)state;
	assert_false(xml_path_decode(path));
	assert_string_equal(path, "/bin/a\xf4\x8f\xbc\x80z");
	assert_true(xml_path_decode(loose));
	assert_string_equal(loose, "a\xff\xf4\x8f");
}

static void test_osdata(void **state)
{
	static const char *const columns[] = { "pid", "command", "cores" };
	const char *row[] = { "1", "sh -c 'a && b' \x01", NULL };
	struct buf b = { 0 };
	xmlDocPtr doc;
	xmlNodePtr n;

	(void)state;
	xml_osdata_begin(&b, "processes");
	xml_osdata_add(&b, columns, row, 3);
	xml_osdata_add(&b, columns, row, 1);
	xml_osdata_end(&b);
	doc = parse(&b);
	n = xmlDocGetRootElement(doc);
	assert_name(n, "osdata");
	assert_attr(n, "type", "processes");
	assert_int_equal(children(n), 2);
	n = first(n);
	assert_name(n, "item");
	assert_int_equal(children(n), 2);
	assert_int_equal(children(next(n)), 1);
	n = first(n);
	assert_name(n, "column");
	assert_attr(n, "name", "pid");
	assert_text(n, "1");
	n = next(n);
	assert_attr(n, "name", "command");
	assert_text(n, "sh -c 'a && b' " BAD);
	xmlFreeDoc(doc);
	buf_fini(&b);
}

/* As gdb's btrace.dtd and btrace-conf.dtd have it. */
static void test_btrace(void **state)
{
	static const struct branch two[] = { { 0x401000, 0x401010 },
					     { 0, UINT64_MAX } };
	struct buf b = { 0 };
	xmlDocPtr doc;
	xmlNodePtr n;

	(void)state;
	xml_btrace_put(&b, two, 2);
	doc = parse(&b);
	n = xmlDocGetRootElement(doc);
	assert_name(n, "btrace");
	assert_attr(n, "version", "1.0");
	n = first(n);
	assert_name(n, "block");
	assert_attr(n, "begin", "0x401000");
	assert_attr(n, "end", "0x401010");
	n = element_after(n->next);
	assert_attr(n, "begin", "0x0");
	assert_attr(n, "end", "0xffffffffffffffff");
	assert_null(element_after(n->next));
	xmlFreeDoc(doc);
	buf_reset(&b);
	xml_btrace_conf_put(&b, 0x10000);
	doc = parse(&b);
	n = xmlDocGetRootElement(doc);
	assert_name(n, "btrace-conf");
	assert_attr(n, "version", "1.0");
	n = first(n);
	assert_name(n, "bts");
	assert_attr(n, "size", "0x10000");
	xmlFreeDoc(doc);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_target_appends),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_libraries_empty),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_path_decode_zero),
		cmocka_unit_test(test_osdata),
		cmocka_unit_test(test_btrace),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	xmlCleanupParser();
	return failed;
}
