#include "server/json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

void json_separate(struct buf *out)
{
	if (out->len && !strchr("[{:,", out->data[out->len - 1]))
		buf_putc(out, ',');
}

void json_name(struct buf *out, const char *name)
{
	json_separate(out);
	json_text(out, name);
	buf_putc(out, ':');
}

void json_member_text(struct buf *out, const char *name, const char *text)
{
	json_name(out, name);
	json_text(out, text);
}

void json_member_number(struct buf *out, const char *name, int64_t v)
{
	json_name(out, name);
	buf_printf(out, "%" PRId64, v);
}

void json_member_flag(struct buf *out, const char *name, bool v)
{
	json_name(out, name);
	buf_puts(out, v ? "true" : "false");
}
