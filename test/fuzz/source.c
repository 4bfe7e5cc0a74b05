/*
 * Any text as an expression that people write: refused with a reason, or made
 * into code that the verifier takes, whose value is the same when the program
 * is a part of another. What the text's end is, is said.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ax.h"
#include "agent/source.h"
#include "base/mem.h"

static bool find_reg(void *user, const char *name, size_t len, unsigned *number,
		     unsigned *bits)
{
	(void)user;
	assert(len);
	*number = (unsigned)(uint8_t)name[0] & 15;
	*bits = name[0] == 'e' ? 32 : 64;
	return name[0] == 'e' || name[0] == 'r' || name[0] == 'p';
}

static int get_reg(void *user, unsigned number, uint64_t *v)
{
	(void)user;
	*v = number * 0x1234567u;
	return 0;
}

/* Text, which ends now and then, below 4 GiB. */
static int get_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	uint8_t *p = buf;

	(void)user;
	if (addr >> 32 || (addr + len) >> 32)
		return -EFAULT;
	for (size_t i = 0; i < len; i++)
		p[i] = "abcdefg"[(addr + i) % 8];
	return 0;
}

static int get_var(void *user, unsigned number, int64_t *v)
{
	(void)user;
	*v = 4711;
	return number == AX_VARIABLE_THREAD ? 0 : -ENOENT;
}

static int value_of(const struct buf *code, int64_t *v)
{
	const struct ax_env env = { .reg = get_reg,
				    .mem = get_mem,
				    .getv = get_var };
	struct ax_program *p = NULL;
	struct err e = { "" };
	int r = ax_load(&p, (const uint8_t *)code->data, code->len, &e);

	/* Nothing else than that it is nested too deeply. */
	if (r < 0) {
		assert(e.text[0] && strstr(e.text, "stack"));
		return r;
	}
	r = ax_eval(p, &env, v);
	ax_free(p);
	return r;
}

/* Behind code that leaves nothing. */
static void is_the_same_within(const struct buf *code, int was, int64_t value)
{
	struct buf other = { 0 };
	struct err e = { "" };
	int64_t v = value;
	int r;

	source_number(&other, 1);
	source_op(&other, AX_POP);
	r = source_append((const uint8_t *)code->data, code->len, &other, &e);
	assert(r == 0 || e.text[0]);
	source_op(&other, AX_END);
	if (r == 0)
		assert(value_of(&other, &v) == was && v == value);
	buf_fini(&other);
}

static void compile(const char *text, size_t len)
{
	const struct source_names names = { .reg = find_reg };
	const char *at = text;
	struct buf code = { 0 };
	struct err e = { "" };
	int64_t v = 0;
	int r = source_compile(&at, &names, &code, &e);

	assert(at >= text && at <= text + len);
	assert(r == 0 || ((r == -EINVAL || r == -E2BIG) && e.text[0]));
	if (r == 0) {
		source_op(&code, AX_END);
		r = value_of(&code, &v);
		is_the_same_within(&code, r, v);
	}
	buf_fini(&code);
}

static void read_text(const char *text, size_t len)
{
	const char *at = text;
	struct buf out = { 0 };
	struct err e = { "" };
	int r = source_text(&at, &out, &e);

	assert(at >= text && at <= text + len && out.len <= len);
	assert(r == 0 || e.text[0]);
	assert(!out.len || !memchr(out.data, 0, out.len));
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	compile(text, strlen(text));
	read_text(text, strlen(text));
	free(text);
	return 0;
}
