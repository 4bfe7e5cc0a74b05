/*
 * Any bytes as an agent expression: refused with a reason, or evaluated to an
 * end within the promised number of steps, without a value that nobody wrote
 * (the sanitizers watch) and with the depths that the verifier promised.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/program.h"

#define CALLS_MAX (AX_CODE_MAX + AX_STEPS_MAX)

struct world {
	size_t calls, printed;
	int64_t vars[4];
};

static int called(struct world *w)
{
	assert(++w->calls <= CALLS_MAX);
	return 0;
}

static int get_reg(void *user, unsigned regnum, uint64_t *value)
{
	if (regnum > 100)
		return -EINVAL;
	*value = regnum * 0x9e3779b97f4a7c15;
	return called(user);
}

/* Everything below 4 GiB is there, with a zero byte now and then. */
static int get_mem(void *user, uint64_t addr, void *buf, size_t len)
{
	uint8_t *p = buf;

	assert(len > 0 && len <= 256);
	if (addr >> 32 || (addr + len) >> 32)
		return -EFAULT;
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((addr + i) * 37 >> 2);
	return called(user);
}

static int get_var(void *user, unsigned number, int64_t *value)
{
	struct world *w = user;

	if (number >= 4)
		return -ENOENT;
	*value = w->vars[number];
	return called(w);
}

static int set_var(void *user, unsigned number, int64_t value)
{
	struct world *w = user;

	if (number >= 4)
		return -ENOENT;
	w->vars[number] = value;
	return called(w);
}

static int trace_var(void *user, unsigned number)
{
	return number < 4 ? called(user) : -ENOENT;
}

static int trace_mem(void *user, uint64_t addr, uint64_t len, bool to_nul)
{
	(void)to_nul;
	return addr + len < addr ? -EFAULT : called(user);
}

static int print(void *user, const char *text, size_t len)
{
	struct world *w = user;
	volatile char last = len ? text[len - 1] : 0;

	(void)last;
	w->printed += len;
	assert(w->printed <= AX_PRINT_MAX);
	return called(w);
}

static void check_depths(const struct ax_program *p)
{
	const struct ax_insn *in = p->insns;
	size_t n = p->n_insns;

	assert(n > 0 && in[0].depth == 0);
	for (size_t i = 0; i < n; i++) {
		assert(in[i].depth <= AX_DEPTH_MAX || in[i].depth == AX_DEAD);
		assert(in[i].target < n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { 0 };
	const struct ax_env env = {
		.reg = get_reg, .mem = get_mem, .getv = get_var,
		.setv = set_var, .tracev = trace_var, .trace = trace_mem,
		.print = print, .user = &w,
	};
	struct ax_program *p = NULL;
	struct err e = { "" };
	int64_t v = 0;
	int rc = ax_load(&p, data, size, &e);

	if (rc < 0) {
		assert(!p && e.text[0]);
		return 0;
	}
	check_depths(p);
	rc = ax_eval(p, &env, &v);
	assert(rc <= 0);
	w.calls = w.printed = 0;
	ax_eval(p, &env, NULL);
	ax_free(p);
	return 0;
}
