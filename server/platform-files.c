/* Directories, permissions and names of files, of a platform. */
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/packet.h"
#include "server/platform.h"

/* lldb reads what follows F as the error's number here, 0 for none. */
static int reply_done(int failed, struct buf *out)
{
	buf_printf(out, "F%x", failed ? errno : 0);
	return REPLY_NOW;
}

static int with_mode(struct args *a, struct buf *out,
		     int (*fn)(const char *path, mode_t mode))
{
	uint64_t mode;
	char *path;

	if (!take_hex_max(a, UINT_MAX, &mode) || !take_char(a, ',') ||
	    !take_hex_string(a, PATH_MAX, &path))
		return -EPROTO;
	reply_done(fn(path, (mode_t)mode & 07777), out);
	free(path);
	return REPLY_NOW;
}

/* `platform mkdir' says 0 where its user says nothing; lldb-server makes 770 of
 * that too. */
static int make_directory(const char *path, mode_t mode)
{
	return mkdir(path, mode ? mode : 0770);
}

int pl_mkdir(struct platform *p, struct args *a, struct buf *out)
{
	(void)p;
	return with_mode(a, out, make_directory);
}

int pl_chmod(struct platform *p, struct args *a, struct buf *out)
{
	(void)p;
	return with_mode(a, out, chmod);
}

int pl_get_cwd(struct platform *p, struct args *a, struct buf *out)
{
	char *cwd = getcwd(NULL, 0);

	(void)p, (void)a;
	if (!cwd)
		return -errno;
	buf_put_hex_str(out, cwd);
	free(cwd);
	return REPLY_NOW;
}

/* Ours, so that files, commands and the servers to come have it too. */
int pl_set_cwd(struct platform *p, struct args *a, struct buf *out)
{
	char *dir;
	int r;

	(void)p;
	if (!take_hex_string(a, PATH_MAX, &dir))
		return -EPROTO;
	r = chdir(dir) < 0 ? -errno : 0;
	free(dir);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* --- names --------------------------------------------------------------- */

static bool is_directory(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* M and the names with what was typed before them, a / behind directories. */
static void put_matches(DIR *dir, const char *typed, bool only_directories,
			struct buf *out)
{
	const char *slash = strrchr(typed, '/');
	const char *start = slash ? slash + 1 : typed;
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;
		bool is_dir;

		if (!strcmp(name, ".") || !strcmp(name, "..") ||
		    strncmp(name, start, strlen(start)))
			continue;
		is_dir = is_directory(dirfd(dir), name);
		if (only_directories && !is_dir)
			continue;
		if (out->len > 1)
			buf_putc(out, ',');
		buf_put_hex(out, typed, (size_t)(start - typed));
		buf_put_hex_str(out, name);
		if (is_dir)
			buf_put_hex_str(out, "/");
	}
}

int pl_path_complete(struct platform *p, struct args *a, struct buf *out)
{
	uint64_t only_directories;
	char *typed, *folder, *slash;
	DIR *dir;

	(void)p;
	if (!take_hex_max(a, 1, &only_directories) || !take_char(a, ',') ||
	    !take_hex_string(a, PATH_MAX, &typed))
		return -EPROTO;
	slash = strrchr(typed, '/');
	folder = slash ? xstrndup(typed, (size_t)(slash - typed + 1))
		       : xstrdup(".");
	dir = opendir(folder);
	buf_putc(out, 'M');
	if (dir) {
		put_matches(dir, typed, only_directories, out);
		closedir(dir);
	}
	free(folder);
	free(typed);
	return REPLY_NOW;
}
