#include "trace/json.h"

#include "base/json.h"

void json_put_string(const char *text, FILE *out)
{
	struct buf b = { 0 };

	json_text(&b, text);
	fwrite(b.data, 1, b.len, out);
	buf_fini(&b);
}
