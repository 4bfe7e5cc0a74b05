/* Files by name, as lldb's vFile has more of them than gdb's: its replies are
 * F and a number, or F, and a word. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/md5.h"
#include "rsp/binary.h"
#include "server/fileio.h"
#include "server/json.h"
#include "server/lldb-json.h"
#include "server/packet.h"
#include "server/session.h"

static int stat_path(struct session *s, struct args *a, struct stat *st)
{
	char *path;
	int r;

	if (!take_hex_string(a, PATH_MAX, &path))
		return -EPROTO;
	r = hostio_stat(&s->hostio, path, st);
	free(path);
	return r;
}

int pk_file_size(struct session *s, struct args *a, struct buf *out)
{
	struct stat st;
	int r = stat_path(s, a, &st);

	if (r < 0)
		return r;
	buf_printf(out, "F%016llx", (unsigned long long)st.st_size);
	return REPLY_NOW;
}

int pk_file_mode(struct session *s, struct args *a, struct buf *out)
{
	struct stat st;
	int r = stat_path(s, a, &st);

	if (r < 0)
		buf_printf(out, "F-1,%x", fileio_errno(r));
	else
		buf_printf(out, "F%x", st.st_mode & 07777);
	return REPLY_NOW;
}

int pk_file_exists(struct session *s, struct args *a, struct buf *out)
{
	struct stat st;
	int r = stat_path(s, a, &st);

	if (r == -EPROTO)
		return r;
	buf_puts(out, r < 0 ? "F,0" : "F,1");
	return REPLY_NOW;
}

/* To its end: a device may have none. */
static int sum_file(struct session *s, int file, uint8_t digest[static 16])
{
	uint8_t piece[65536];
	uint64_t at = 0;
	struct stat st;
	struct md5 m;
	ssize_t n;

	if (hostio_fstat(&s->hostio, file, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	md5_init(&m);
	while ((n = hostio_pread(&s->hostio, file, piece, sizeof(piece), at)) >
	       0) {
		md5_add(&m, piece, (size_t)n);
		at += (uint64_t)n;
	}
	md5_end(&m, digest);
	return (int)n;
}

static int sum(struct session *s, const char *path, uint8_t digest[static 16])
{
	int file = hostio_open(&s->hostio, path, O_RDONLY, 0), r;

	if (file < 0)
		return file;
	r = sum_file(s, file, digest);
	hostio_close(&s->hostio, file);
	return r;
}

/* lldb has it as two numbers of 64 bits, which it takes from the sum as its
 * processor does. */
static void put_sum(struct buf *out, const uint8_t digest[static 16])
{
	uint64_t half[2];

	memcpy(half, digest, sizeof(half));
	buf_printf(out, "%016" PRIx64 "%016" PRIx64, half[0], half[1]);
}

int pk_file_md5(struct session *s, struct args *a, struct buf *out)
{
	uint8_t digest[16];
	char *path;
	int r;

	if (!take_hex_string(a, PATH_MAX, &path))
		return -EPROTO;
	r = sum(s, path, digest);
	free(path);
	buf_puts(out, "F,");
	if (r < 0)
		buf_putc(out, 'x');
	else
		put_sum(out, digest);
	return REPLY_NOW;
}

/* TARGET,LINK: both in hex. */
int pk_file_symlink(struct session *s, struct args *a, struct buf *out)
{
	char *target, *link = NULL;
	int r = -EPROTO;

	(void)s;
	if (!take_hex_string(a, PATH_MAX, &target))
		return r;
	if (take_char(a, ',') && take_hex_string(a, PATH_MAX, &link))
		r = symlink(target, link) < 0 ? -errno : 0;
	free(target);
	free(link);
	if (r == -EPROTO)
		return r;
	if (r < 0)
		buf_printf(out, "F-1,%x", fileio_errno(r));
	else
		buf_puts(out, "F0,0");
	return REPLY_NOW;
}

/* --- breakpoints, many at once ------------------------------------------- */

struct request {
	struct session *s;
	struct buf *out;
};

/* Each is handled as if it had come alone; lldb takes the removal of what is
 * not there for a mistake. */
static void handle_request(void *user, const char *text)
{
	struct request *r = user;
	struct buf reply = { 0 };

	if (*text == 'Z' || *text == 'z')
		packet_handle(r->s, text, strlen(text), &reply);
	else
		buf_puts(&reply, "E01");
	json_separate(r->out);
	json_text(r->out, buf_str(&reply));
	buf_fini(&reply);
}

int pk_points_many(struct session *s, struct args *a, struct buf *out)
{
	struct buf json = { 0 };
	struct request user = { s, &json };
	struct args text = take_rest(a);
	int r;

	buf_puts(&json, "{\"results\":[");
	r = lldb_json_requests(text.p, args_left(&text), handle_request, &user,
			       &s->err);
	buf_puts(&json, "]}");
	buf_put_escaped(out, json.data, json.len);
	buf_fini(&json);
	return r < 0 ? r : REPLY_NOW;
}
