#include "trace/outputs.h"

#include <stdlib.h>

#include "trace/out.h"

#define BUFFER (1 << 18)

int outputs_add(struct outputs *o, const struct format *f, const char *path)
{
	if (o->n == OUTPUTS_MAX)
		return -ENOSPC;
	o->all[o->n++] = (struct output){ .format = f, .path = path };
	return 0;
}

static int open_one(struct output *out, const struct format_args *all,
		    struct story *r, struct err *e)
{
	struct format_args args = *all;

	out->file = out->path ? out_open(out->path) : stdout;
	if (!out->file)
		return err_set(e, -errno, "cannot write %s: %m", out->path);
	if (out->file != stdout && out->file != stderr)
		setvbuf(out->file, NULL, _IOFBF, BUFFER);
	args.out = out->file;
	out->state = out->format->begin(r, &args, e);
	return out->state ? 0 : -EINVAL;
}

int outputs_open(struct outputs *o, struct story *r, struct err *e)
{
	for (unsigned i = 0; i < o->n; i++) {
		int err = open_one(&o->all[i], &o->args, r, e);

		if (err < 0)
			return err;
	}
	return 0;
}

static bool close_one(struct output *out)
{
	bool good;

	if (out->state) {
		out->format->write(out->state, out->file);
		out->format->free(out->state);
	}
	if (!out->file)
		return true;
	good = out_close(out->file);
	if (!good)
		fprintf(stderr, "tracestub: writing %s failed: %m\n",
			out->path ? out->path : "to standard output");
	return good;
}

unsigned outputs_close(struct outputs *o)
{
	unsigned failed = 0;

	for (unsigned i = 0; i < o->n; i++)
		failed += !close_one(&o->all[i]);
	o->n = 0;
	return failed;
}
