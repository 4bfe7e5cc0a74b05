#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hex.h"
#include "base/mem.h"
#include "test/transcript.h"

/* The next byte of an escaped text, and how much it took; 0: malformed. */
static size_t next_byte(const char *p, const char *end, char *byte)
{
	if (*p != '\\') {
		*byte = *p;
		return 1;
	}
	if (end - p >= 2 && p[1] == '\\') {
		*byte = '\\';
		return 2;
	}
	if (end - p >= 4 && p[1] == 'x' && hex_decode(byte, p + 2, 1))
		return 4;
	return 0;
}

static int unescape(struct buf *out, const char *p, const char *end)
{
	char byte;

	while (p < end) {
		size_t n = next_byte(p, end, &byte);

		if (!n)
			return -EINVAL;
		buf_putc(out, byte);
		p += n;
	}
	return 0;
}

static int line_add(struct transcript *t, char *line, size_t len, unsigned no)
{
	struct buf text = { 0 };
	char *from = line + (len > 1 ? 2 : 1), *end = line + len;
	int err = 0;

	if (!strchr("><!=:", *line) || (len > 1 && line[1] != ' '))
		return -EINVAL;
	if (*line == '>')
		err = unescape(&text, from, end);
	else
		buf_put(&text, from, (size_t)(end - from));
	if (err) {
		buf_fini(&text);
		return err;
	}
	buf_str(&text);
	t->lines = xrealloc(t->lines, (t->n + 1) * sizeof(*t->lines));
	t->lines[t->n++] = (struct transcript_line){
		.kind = *line,
		.text = text.data,
		.len = text.len,
		.number = no,
	};
	return 0;
}

int transcript_load(struct transcript *t, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	unsigned no = 0;
	ssize_t len;
	int err = 0;

	*t = (struct transcript){ 0 };
	if (!f)
		return err_set(e, -errno, "cannot open %s", path);
	while (!err && (len = getline(&line, &cap, f)) > 0) {
		no++;
		len -= line[len - 1] == '\n';
		if (len > 0 && *line != '#')
			err = line_add(t, line, (size_t)len, no);
	}
	free(line);
	fclose(f);
	if (!err)
		return 0;
	transcript_fini(t);
	return err_set(e, err, "%s:%u: malformed", path, no);
}

void transcript_fini(struct transcript *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->lines[i].text);
	free(t->lines);
	*t = (struct transcript){ 0 };
}

static bool match_regex(const char *pattern, size_t len, const char *answer,
			size_t n)
{
	char *source = xasprintf("^(%.*s)$", (int)len, pattern);
	char *text = xstrndup(answer, n);
	regex_t re;
	bool hit = false;

	if (strlen(text) == n && !regcomp(&re, source, REG_EXTENDED)) {
		hit = !regexec(&re, text, 0, NULL, 0);
		regfree(&re);
	}
	free(source);
	free(text);
	return hit;
}

/* Each piece between "..." at its first place after the one before it; the
 * last at the very end. */
static bool match_pieces(const char *p, const char *end, const char *a,
			 size_t n)
{
	bool anchored = true;

	for (;;) {
		const char *dots = memmem(p, (size_t)(end - p), "...", 3);
		struct buf piece = { 0 };
		const char *hit = NULL;
		size_t len;

		if (unescape(&piece, p, dots ? dots : end) < 0)
			die("malformed pattern %.*s", (int)(end - p), p);
		len = piece.len;
		if (!dots && !anchored)
			hit = n >= len && (!len || !memcmp(a + n - len,
							   piece.data, len))
				      ? a + n - len
				      : NULL;
		else if (anchored)
			hit = n >= len && (!len || !memcmp(a, piece.data, len))
				      ? a
				      : NULL;
		else
			hit = len ? memmem(a, n, piece.data, len) : a;
		buf_fini(&piece);
		if (!hit)
			return false;
		n -= (size_t)(hit - a) + len;
		a = hit + len;
		if (!dots)
			return n == 0;
		p = dots + 3;
		anchored = false;
	}
}

bool transcript_match(const struct transcript_line *line, const char *answer,
		      size_t len)
{
	const char *p = line->text;
	size_t n = line->len;

	if (n > 1 && p[0] == '/' && p[n - 1] == '/')
		return match_regex(p + 1, n - 2, answer, len);
	return match_pieces(p, p + n, answer, len);
}
