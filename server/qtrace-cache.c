/* The code cache: what is dropped of it, and fetched ahead. */
#include "server/qtrace.h"

#include <errno.h>
#include <string.h>

#include "base/size.h"

int verb_invalidate(struct session *s, struct args *a, struct buf *out)
{
	uint64_t addr, len;
	struct process *p;

	if (!take_hex(a, &addr) || !take_char(a, ',') || !take_hex(a, &len) ||
	    !take_end(a) || addr + len <= addr)
		return err_set(&s->err, -EINVAL, "which code? ADDR,LEN in hex");
	p = take_followed(s);
	if (!p)
		return -EINVAL;
	buf_printf(
		out, "blocks=%x;",
		(unsigned)translate_invalidate(s->target, p, addr, addr + len));
	return 0;
}

int verb_flush(struct session *s, struct args *a, struct buf *out)
{
	struct process *p;

	if (!take_end(a))
		return -EPROTO;
	p = take_followed(s);
	if (!p)
		return -EINVAL;
	translate_flush(s->target, p);
	buf_puts(out, "OK");
	return 0;
}

int verb_prefetch(struct session *s, struct args *a, struct buf *out)
{
	struct process *p;
	uint64_t addr;

	if (!take_hex(a, &addr) || !take_end(a))
		return err_set(&s->err, -EINVAL, "which code? ADDR in hex");
	p = take_followed(s);
	if (!p)
		return -EINVAL;
	if (translate_prefetch(s->target, p, addr) < 0)
		return err_set(&s->err, -EFAULT,
			       "there is no code that could be translated");
	buf_puts(out, "OK");
	return 0;
}

int verb_collect(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = session_process(s);
	int r;

	if (!take_end(a))
		return -EPROTO;
	r = all_stand(s);
	if (r < 0)
		return r;
	buf_printf(out, "remains=%d;", p ? translate_collect(s->target, p) : 0);
	return 0;
}

int verb_trust(struct session *s, struct args *a, struct buf *out)
{
	bool negative;
	uint64_t n;

	if (take_end(a)) {
		int trust = translate_get_trust(s->target);

		buf_printf(out, "trust=%s%x;", trust < 0 ? "-" : "",
			   trust < 0 ? -trust : trust);
		return 0;
	}
	negative = take_char(a, '-');
	if (!take_hex(a, &n) || !take_end(a) || n > (negative ? 1 : TRUST_MOST))
		return err_set(&s->err, -EINVAL,
			       "how many times? -1, or a number in hex");
	if (all_stand(s) < 0)
		return -EBUSY;
	translate_trust(s->target, negative ? -(int)n : (int)n);
	buf_puts(out, "OK");
	return 0;
}

int verb_cache_size(struct session *s, struct args *a, struct buf *out)
{
	char text[32] = "";
	struct args word;
	uint64_t bytes;

	if (take_end(a)) {
		buf_printf(out, "cache-size=%lu;",
			   translate_get_cache_size(s->target));
		return 0;
	}
	take_word(a, ";", &word);
	if (args_left(&word) < sizeof(text))
		memcpy(text, word.p, args_left(&word));
	if (!take_end(a) || size_parse(text, &bytes) < 0 ||
	    translate_cache_size(s->target, bytes) < 0)
		return err_set(&s->err, -EINVAL, "a cache has 1M to 1G bytes");
	buf_puts(out, "OK");
	return 0;
}
