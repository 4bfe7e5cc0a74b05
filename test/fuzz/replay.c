/*
 * replay FILE|FOLDER...: runs a fuzz seam over files, where there is no
 * libFuzzer. No file at all is a failure: a seam without seeds tests nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void run_file(const char *path, size_t len)
{
	uint8_t *data = xmalloc(len ? len : 1);
	FILE *f = fopen(path, "re");

	if (!f || fread(data, 1, len, f) != len)
		die("cannot read %s", path);
	fclose(f);
	/* the name of an input that crashes is the last one printed */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
}

static unsigned run(const char *path)
{
	unsigned count = 0;
	struct dirent *d;
	struct stat st;
	DIR *dir;

	if (stat(path, &st) < 0)
		die("no %s", path);
	if (!S_ISDIR(st.st_mode)) {
		run_file(path, (size_t)st.st_size);
		return 1;
	}
	dir = opendir(path);
	if (!dir)
		die("cannot open %s", path);
	while ((d = readdir(dir)) != NULL) {
		char *sub = xasprintf("%s/%s", path, d->d_name);

		if (d->d_name[0] != '.')
			count += run(sub);
		free(sub);
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		count += run(argv[i]);
	printf("%u inputs\n", count);
	return count ? 0 : 1;
}
