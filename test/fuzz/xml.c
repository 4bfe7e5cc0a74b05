/*
 * Any text in every document: well-formed by libxml2, and a file name comes
 * back as the bytes that it was.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>

#include "base/mem.h"
#include "xml/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static xmlDocPtr parse(struct buf *b)
{
	xmlDocPtr doc = xmlReadMemory(b->data, (int)b->len, "", NULL,
				      XML_PARSE_NONET | XML_PARSE_HUGE);

	assert(doc);
	buf_reset(b);
	return doc;
}

static void library(struct buf *b, const char *name)
{
	struct xml_library l = { .name = name };
	xmlDocPtr doc;
	xmlNodePtr n;
	xmlChar *v;

	xml_libraries_begin(b, 0);
	xml_libraries_add(b, &l);
	xml_libraries_end(b);
	doc = parse(b);
	n = xmlFirstElementChild(xmlDocGetRootElement(doc));
	v = xmlGetNoNsProp(n, BAD_CAST "name");
	assert(xml_path_decode((char *)v));
	assert(!strcmp((char *)v, name));
	xmlFree(v);
	xmlFreeDoc(doc);
}

static void shown(struct buf *b, const char *text)
{
	struct xml_thread t = { .id = text, .core = -1, .name = text };

	xml_threads_begin(b);
	xml_threads_add(b, &t);
	xml_threads_end(b);
	xmlFreeDoc(parse(b));
	xml_osdata_begin(b, text);
	xml_osdata_add(b, &text, &text, 1);
	xml_osdata_end(b);
	xmlFreeDoc(parse(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct buf b = { 0 };

	library(&b, text);
	shown(&b, text);
	xml_path_decode(text);
	buf_fini(&b);
	free(text);
	return 0;
}
