#include "agent/format.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ax.h"
#include "base/mem.h"

#define FIELD_MAX 1023 /* of a width and a precision */
#define READ_MAX  256  /* bytes of a string read at once */

/* A stretch of plain text, or one conversion. */
struct piece {
	enum {
		PIECE_TEXT,
		PIECE_INT,
		PIECE_UINT,
		PIECE_CHAR,
		PIECE_POINTER,
		PIECE_STRING,
	} kind;
	uint8_t bytes;	/* integers: how much of the value counts */
	uint16_t prec;	/* strings: characters at most */
	size_t at, len; /* text: where in format.text */
	char spec[28];	/* for printf(3) */
};

struct ax_format {
	char *text; /* owned: the plain text, escapes resolved */
	size_t len;
	struct piece *pieces; /* owned */
	size_t n_pieces;
	unsigned n_args;
};

/* clang-format off */
static const struct conversion {
	char letter;
	uint8_t kind;
	bool has_prec, has_size;
	const char *flags;
} conversions[] = {
	{ 'd', PIECE_INT,     true,  true,  "-+ 0" },
	{ 'i', PIECE_INT,     true,  true,  "-+ 0" },
	{ 'u', PIECE_UINT,    true,  true,  "-0" },
	{ 'o', PIECE_UINT,    true,  true,  "-#0" },
	{ 'x', PIECE_UINT,    true,  true,  "-#0" },
	{ 'X', PIECE_UINT,    true,  true,  "-#0" },
	{ 'c', PIECE_CHAR,    false, false, "-" },
	{ 'p', PIECE_POINTER, false, false, "-" },
	{ 's', PIECE_STRING,  true,  false, "-" },
};
/* clang-format on */

/* Longer ones first, where one begins another. */
static const struct size {
	const char *name;
	uint8_t bytes;
} sizes[] = {
	{ "hh", 1 }, { "h", 2 }, { "ll", 8 }, { "l", 8 },
	{ "z", 8 },  { "j", 8 }, { "t", 8 },  { "", 4 },
};

/* One format_new() under way. */
struct reader {
	const char *p, *end;
	struct ax_format *f;
	struct err *e;
};

/* A conversion as it is read. */
struct field {
	char flags[8];
	int16_t width, prec; /* prec -1: none */
	const struct size *size;
};

static struct piece *piece_add(struct ax_format *f, unsigned kind)
{
	struct piece *p;

	f->pieces = xrealloc(f->pieces, (f->n_pieces + 1) * sizeof(*f->pieces));
	p = &f->pieces[f->n_pieces++];
	*p = (struct piece){ .kind = kind, .at = f->len };
	return p;
}

static void put_char(struct ax_format *f, char c)
{
	struct piece *p = f->n_pieces ? &f->pieces[f->n_pieces - 1] : NULL;

	if (!p || p->kind != PIECE_TEXT)
		p = piece_add(f, PIECE_TEXT);
	f->text[f->len++] = c;
	p->len++;
}

/* What is behind a backslash. */
static int read_escape(struct reader *r)
{
	static const char names[] = "\\\"abefnrtv";
	static const char values[] = "\\\"\a\b\033\f\n\r\t\v";
	const char *at;

	if (r->p == r->end)
		return err_set(r->e, -EINVAL, "the format ends in a backslash");
	at = memchr(names, *r->p, sizeof(names) - 1);
	if (!at)
		return err_set(r->e, -EINVAL,
			       "escape 0x%02x in the format is unknown",
			       (unsigned char)*r->p);
	put_char(r->f, values[at - names]);
	r->p++;
	return 0;
}

static bool read_number(struct reader *r, int16_t *out)
{
	int v = 0;

	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
		v = v * 10 + *r->p - '0';
		if (v > FIELD_MAX)
			return false;
	}
	*out = (int16_t)v;
	return true;
}

static void read_flags(struct reader *r, struct field *fd)
{
	size_t n = 0;

	for (; r->p < r->end && *r->p && strchr("-+ #0", *r->p); r->p++)
		if (!strchr(fd->flags, *r->p))
			fd->flags[n++] = *r->p;
}

static void read_size(struct reader *r, struct field *fd)
{
	size_t left = (size_t)(r->end - r->p), n;

	for (fd->size = sizes;; fd->size++) {
		n = strlen(fd->size->name);
		if (n <= left && !memcmp(r->p, fd->size->name, n))
			break;
	}
	r->p += n;
}

static const struct conversion *conversion_find(char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(conversions); i++)
		if (conversions[i].letter == letter)
			return &conversions[i];
	return NULL;
}

static bool field_fits(const struct field *fd, const struct conversion *c)
{
	return fd->flags[strspn(fd->flags, c->flags)] == '\0' &&
	       (c->has_prec || fd->prec < 0) &&
	       (c->has_size || !*fd->size->name);
}

/* All arguments go to printf(3) as long long, int or char *. */
static void write_spec(struct piece *p, const struct field *fd,
		       const struct conversion *c)
{
	bool integer = c->kind == PIECE_INT || c->kind == PIECE_UINT;
	char width[8] = "", prec[8] = "";

	if (fd->width > 0)
		snprintf(width, sizeof(width), "%d", fd->width);
	if (fd->prec >= 0)
		snprintf(prec, sizeof(prec), ".%d", fd->prec);
	snprintf(p->spec, sizeof(p->spec), "%%%s%s%s%s%c", fd->flags, width,
		 prec, integer ? "ll" : "",
		 c->kind == PIECE_POINTER ? 's' : c->letter);
}

/* What is behind a percent sign that is not followed by another. */
static int read_conversion(struct reader *r)
{
	struct field fd = { .prec = -1 };
	const struct conversion *c;
	struct piece *p;

	read_flags(r, &fd);
	if (!read_number(r, &fd.width))
		goto too_wide;
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (!read_number(r, &fd.prec))
			goto too_wide;
	}
	read_size(r, &fd);
	if (r->p == r->end)
		return err_set(r->e, -EINVAL,
			       "the format ends inside a conversion");
	c = conversion_find(*r->p++);
	if (!c)
		return err_set(r->e, -EINVAL,
			       "conversion 0x%02x in the format is unknown",
			       (unsigned char)r->p[-1]);
	if (!field_fits(&fd, c))
		return err_set(r->e, -EINVAL,
			       "%%%c does not take such a flag or size",
			       c->letter);
	p = piece_add(r->f, c->kind);
	p->bytes = fd.size->bytes;
	p->prec = fd.prec < 0 ? UINT16_MAX : (uint16_t)fd.prec;
	write_spec(p, &fd, c);
	r->f->n_args++;
	return 0;
too_wide:
	return err_set(r->e, -EINVAL, "a width or precision over %d",
		       FIELD_MAX);
}

static int read_format(struct reader *r)
{
	int rc = 0;

	while (!rc && r->p < r->end) {
		char c = *r->p++;

		if (!c)
			rc = err_set(r->e, -EINVAL,
				     "a zero byte inside the format");
		else if (c == '\\')
			rc = read_escape(r);
		else if (c != '%')
			put_char(r->f, c);
		else if (r->p < r->end && *r->p == '%')
			put_char(r->f, *r->p++);
		else
			rc = read_conversion(r);
	}
	return rc;
}

struct ax_format *format_new(const char *text, size_t len, unsigned n_args,
			     struct err *e)
{
	struct ax_format *f = xcalloc(1, sizeof(*f));
	struct reader r = { .p = text, .end = text + len, .f = f, .e = e };
	int rc;

	f->text = xmalloc(len + 1);
	rc = read_format(&r);
	if (!rc && f->n_args != n_args)
		rc = err_set(e, -EINVAL,
			     "the format takes %u values and is given %u",
			     f->n_args, n_args);
	if (!rc)
		return f;
	format_free(f);
	return NULL;
}

void format_free(struct ax_format *f)
{
	free(f->text);
	free(f->pieces);
	free(f);
}

bool format_reads(const struct ax_format *f, unsigned argument)
{
	for (size_t i = 0; i < f->n_pieces; i++) {
		if (f->pieces[i].kind != PIECE_TEXT && !argument--)
			return f->pieces[i].kind == PIECE_STRING;
	}
	return false;
}

unsigned format_strings(const struct ax_format *f)
{
	unsigned n = 0;

	for (size_t i = 0; i < f->n_pieces; i++)
		n += f->pieces[i].kind == PIECE_STRING;
	return n;
}

unsigned format_args(const struct ax_format *f)
{
	return f->n_args;
}

static long long clip_signed(uint64_t v, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return (int64_t)(v << shift) >> shift;
}

static unsigned long long clip_unsigned(uint64_t v, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return v << shift >> shift;
}

/* Appends at most max bytes of what is at addr, up to a zero. 1: it ended. */
static int read_string(const struct ax_env *env, uint64_t addr, size_t max,
		       struct buf *out)
{
	while (max) {
		/* a string may be the last thing before an unmapped page */
		size_t n = READ_MAX - addr % READ_MAX, got;
		char *at;
		int rc;

		if (n > max)
			n = max;
		at = buf_reserve(out, n);
		rc = env->mem(env->user, addr, at, n);
		if (rc < 0)
			return rc;
		got = strnlen(at, n);
		out->len += got;
		if (got < n)
			return 1;
		addr += n;
		max -= n;
	}
	return 0;
}

static int put_string(const struct piece *p, uint64_t addr,
		      const struct ax_env *env, struct buf *out)
{
	size_t max = p->prec < FORMAT_STRING_MAX ? p->prec : FORMAT_STRING_MAX;
	struct buf s = { 0 };
	int rc = 1;

	if (addr)
		rc = read_string(env, addr, max, &s);
	else
		buf_puts(&s, "(null)");
	if (!rc && max == FORMAT_STRING_MAX)
		buf_puts(&s, "...");
	if (rc >= 0)
		buf_printf(out, p->spec, buf_str(&s));
	buf_fini(&s);
	return rc < 0 ? rc : 0;
}

static void put_pointer(const struct piece *p, uint64_t v, struct buf *out)
{
	char text[24] = "(nil)";

	if (v)
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)v);
	buf_printf(out, p->spec, text);
}

static int put_value(const struct piece *p, uint64_t v,
		     const struct ax_env *env, struct buf *out)
{
	switch (p->kind) {
	case PIECE_INT:
		buf_printf(out, p->spec, clip_signed(v, p->bytes));
		return 0;
	case PIECE_UINT:
		buf_printf(out, p->spec, clip_unsigned(v, p->bytes));
		return 0;
	case PIECE_CHAR:
		buf_printf(out, p->spec, (int)(unsigned char)v);
		return 0;
	case PIECE_POINTER:
		put_pointer(p, v, out);
		return 0;
	default:
		return put_string(p, v, env, out);
	}
}

int format_put(const struct ax_format *f, const uint64_t *args,
	       const struct ax_env *env, size_t max, struct buf *out)
{
	for (size_t i = 0; i < f->n_pieces; i++) {
		const struct piece *p = &f->pieces[i];
		int rc = 0;

		if (p->kind == PIECE_TEXT)
			buf_put(out, f->text + p->at, p->len);
		else
			rc = put_value(p, *args--, env, out);
		if (rc < 0)
			return rc;
		if (out->len > max)
			return -EFBIG;
	}
	return 0;
}
