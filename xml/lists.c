/* The documents that are lists of rows, some of them thousands long. */
#include "xml/text.h"
#include "xml/xml.h"

void xml_threads_begin(struct buf *out)
{
	buf_puts(out, "<?xml version=\"1.0\"?>\n<threads version=\"1.0\">\n");
}

void xml_threads_add(struct buf *out, const struct xml_thread *t)
{
	buf_puts(out, "<thread");
	attr_put(out, "id", t->id, TEXT_SHOWN);
	if (t->core >= 0)
		attr_put_dec(out, "core", (unsigned)t->core);
	if (t->name && *t->name)
		attr_put(out, "name", t->name, TEXT_SHOWN);
	if (t->handle_len) {
		buf_puts(out, " handle=\"");
		buf_put_hex(out, t->handle, t->handle_len);
		buf_putc(out, '"');
	}
	buf_puts(out, "/>\n");
}

void xml_threads_end(struct buf *out)
{
	buf_puts(out, "</threads>\n");
}

void xml_libraries_begin(struct buf *out, uint64_t main_lm)
{
	buf_puts(out, "<library-list-svr4 version=\"1.0\"");
	if (main_lm)
		attr_put_hex(out, "main-lm", main_lm);
	buf_puts(out, ">\n");
}

void xml_libraries_add(struct buf *out, const struct xml_library *l)
{
	buf_puts(out, "<library");
	attr_put(out, "name", l->name, TEXT_PATH);
	attr_put_hex(out, "lm", l->lm);
	attr_put_hex(out, "l_addr", l->l_addr);
	attr_put_hex(out, "l_ld", l->l_ld);
	if (l->lmid)
		attr_put_hex(out, "lmid", l->lmid);
	buf_puts(out, "/>\n");
}

void xml_libraries_end(struct buf *out)
{
	buf_puts(out, "</library-list-svr4>\n");
}

void xml_osdata_begin(struct buf *out, const char *type)
{
	buf_puts(out, "<?xml version=\"1.0\"?>\n<osdata version=\"1.0\"");
	attr_put(out, "type", type, TEXT_SHOWN);
	buf_puts(out, ">\n");
}

void xml_osdata_add(struct buf *out, const char *const *columns,
		    const char *const *values, size_t n)
{
	buf_puts(out, "<item>");
	for (size_t i = 0; i < n; i++) {
		if (!values[i])
			continue;
		buf_puts(out, "<column");
		attr_put(out, "name", columns[i], TEXT_SHOWN);
		buf_putc(out, '>');
		text_put(out, values[i], TEXT_SHOWN);
		buf_puts(out, "</column>");
	}
	buf_puts(out, "</item>\n");
}

void xml_osdata_end(struct buf *out)
{
	buf_puts(out, "</osdata>\n");
}
