/*
 * For tests that need files: a folder of this run, tmp, from folder_make() to
 * folder_drop(), which are for cmocka. Include it in the one file of a test.
 */
#ifndef TEST_FOLDER_H
#define TEST_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"

static char tmp[64];

/* In tmp, of which a few are remembered at once. */
static const char *at(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *p = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(p, sizeof(paths[0]), "%s/%s", tmp, name);
	return p;
}

static int folder_make(void **state)
{
	(void)state;
	snprintf(tmp, sizeof(tmp), "/tmp/tracestub_test.XXXXXX");
	if (!mkdtemp(tmp))
		return -1;
	return chmod(tmp, 0755);
}

static int folder_drop(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", tmp);
	return system(cmd);
}

#endif
