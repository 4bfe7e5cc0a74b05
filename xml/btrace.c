/* Branch traces of the kind that gdb calls BTS. */
#include "xml/xml.h"

void xml_btrace_put(struct buf *out, const struct branch *all, size_t n)
{
	buf_puts(out, "<btrace version=\"1.0\">");
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "<block begin=\"0x%lx\" end=\"0x%lx\"/>",
			   all[i].begin, all[i].end);
	buf_puts(out, "</btrace>");
}

void xml_btrace_conf_put(struct buf *out, uint64_t size)
{
	buf_printf(out,
		   "<btrace-conf version=\"1.0\"><bts size=\"0x%lx\"/>"
		   "</btrace-conf>",
		   size);
}
