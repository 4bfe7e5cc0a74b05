/*
 * Libraries that are loaded when something of them is wanted, and not with
 * every server: together they cost more than all else that one does until its
 * first reply, and most machines that run one have none of them.
 *
 * Each is a table of its functions under their own names:
 *
 *	const struct elfutils *u = elfutils();
 *	if (u)
 *		u->dwfl_begin(...)
 *
 * NULL: it is not installed. Nothing is ever unloaded.
 */
#ifndef TRACE_LAZY_H
#define TRACE_LAZY_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <zstd.h>

#define FUNCTION(name) __typeof__(name) *name;

/* libdw, libdwfl and libelf. */
struct elfutils {
#include "trace/elfutils.def"
};

/* libzstd. */
struct zstd {
#include "trace/zstd.def"
};

#undef FUNCTION

const struct elfutils *elfutils(void);
const struct zstd *zstd(void);

#endif
