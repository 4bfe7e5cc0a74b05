/* Files that are loaded: qModuleInfo, jModulesInfo, qFileLoadAddress,
 * qShlibInfoAddr. */
#include "server/lldb-module.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/md5.h"
#include "base/mem.h"
#include "base/note.h"
#include "rsp/binary.h"
#include "server/json.h"
#include "server/lldb-json.h"
#include "server/lldb-maps.h"
#include "server/packet.h"
#include "server/session.h"
#include "server/svr4.h"

/* --- the file ------------------------------------------------------------ */

static void put_digits(char *out, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02X", data[i]);
}

#define NOTES_MAX 65536

static bool read_notes(int fd, uint64_t off, uint64_t size,
		       struct lldb_module *m)
{
	const uint8_t *id = NULL;
	uint8_t *notes;
	ssize_t got;
	size_t n;

	if (size > NOTES_MAX)
		return false;
	notes = xcalloc(1, size + 1);
	got = pread(fd, notes, size, (off_t)off);
	if (got > 0)
		id = note_build_id(notes, (size_t)got, &n);
	if (id)
		put_digits(m->uuid, id, n);
	free(notes);
	return id;
}

union elf_header {
	Elf64_Ehdr e64;
	Elf32_Ehdr e32;
};

/* The place in the file of segment i, if it has notes. False: not even its
 * header can be read. */
static bool locate_notes(int fd, const union elf_header *e, bool is64,
			 unsigned i, uint64_t *off, uint64_t *size)
{
	Elf64_Phdr p64 = { 0 };
	Elf32_Phdr p32 = { 0 };
	void *p = is64 ? (void *)&p64 : &p32;
	size_t len = is64 ? sizeof(p64) : sizeof(p32);
	uint64_t at = (is64 ? e->e64.e_phoff : e->e32.e_phoff) + i * len;

	if (pread(fd, p, len, (off_t)at) != (ssize_t)len)
		return false;
	*off = is64 ? p64.p_offset : p32.p_offset;
	*size = (is64 ? p64.p_type : p32.p_type) != PT_NOTE ? 0
		: is64					    ? p64.p_filesz
							    : p32.p_filesz;
	return true;
}

static bool find_notes(int fd, const union elf_header *e, bool is64,
		       struct lldb_module *m)
{
	unsigned n = is64 ? e->e64.e_phnum : e->e32.e_phnum;
	uint64_t off, size;

	for (unsigned i = 0; i < n; i++) {
		if (!locate_notes(fd, e, is64, i, &off, &size))
			return false;
		if (size && read_notes(fd, off, size, m))
			return true;
	}
	return false;
}

static int read_module(int fd, struct lldb_module *m)
{
	union elf_header head;
	uint8_t digest[16];
	int r;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e64.e_ident, ELFMAG, SELFMAG))
		return -ENOEXEC;
	if (head.e64.e_machine != EM_X86_64 && head.e64.e_machine != EM_386)
		return -ENOEXEC;
	m->word = head.e64.e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
	if (find_notes(fd, &head, m->word == 8, m))
		return 0;
	r = md5_fd(fd, digest);
	put_digits(m->uuid, digest, sizeof(digest));
	m->is_sum = true;
	return r;
}

int lldb_module_read(const char *path, struct lldb_module *m)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
	struct stat st;

	if (fd < 0)
		return -errno;
	*m = (struct lldb_module){ 0 };
	r = fstat(fd, &st) < 0	  ? -errno
	    : S_ISREG(st.st_mode) ? read_module(fd, m)
				  : -ENOEXEC;
	m->size = r < 0 ? 0 : (uint64_t)st.st_size;
	close(fd);
	return r;
}

static const char *triple_of(const struct lldb_module *m)
{
	return m->word == 8 ? "x86_64--linux" : "i386--linux";
}

/* A module of another machine than what is asked for is not that one. */
static bool is_of(const struct lldb_module *m, const char *triple)
{
	return !*triple || !strncmp(triple, "x86_64", 6) == (m->word == 8);
}

/* --- packets ------------------------------------------------------------- */

/* PATH;TRIPLE, both in hex. */
int pk_module_info(struct session *s, struct args *a, struct buf *out)
{
	char *path, *triple = NULL;
	struct lldb_module m;
	int r;

	(void)s;
	if (!take_hex_string(a, PATH_MAX, &path))
		return -EPROTO;
	r = take_char(a, ';') && take_hex_string(a, PATH_MAX, &triple)
		    ? lldb_module_read(path, &m)
		    : -EPROTO;
	if (r == 0 && !is_of(&m, triple))
		r = -ENOEXEC;
	if (r == 0) {
		buf_puts(out, m.is_sum ? "md5:" : "uuid:");
		buf_put_hex_str(out, m.uuid);
		buf_puts(out, ";triple:");
		buf_put_hex_str(out, triple_of(&m));
		buf_puts(out, ";file_path:");
		buf_put_hex_str(out, path);
		buf_printf(out, ";file_offset:%016x;file_size:%016" PRIx64 ";",
			   0, m.size);
	}
	free(path);
	free(triple);
	return r;
}

static void put_module(void *user, const char *path, const char *triple)
{
	struct buf *out = user;
	struct lldb_module m;

	if (lldb_module_read(path, &m) < 0 || !is_of(&m, triple) || m.is_sum)
		return;
	json_separate(out);
	buf_putc(out, '{');
	json_member_number(out, "file_offset", 0);
	json_member_text(out, "file_path", path);
	json_member_number(out, "file_size", (int64_t)m.size);
	json_member_text(out, "triple", triple_of(&m));
	json_member_text(out, "uuid", m.uuid);
	buf_putc(out, '}');
}

/* [{"file":PATH,"triple":TRIPLE},...]; the reply has those that there are. */
int pk_modules_info(struct session *s, struct args *a, struct buf *out)
{
	struct args text = take_rest(a);
	struct buf json = { 0 };
	int r;

	buf_putc(&json, '[');
	r = lldb_json_modules(text.p, args_left(&text), put_module, &json,
			      &s->err);
	buf_putc(&json, ']');
	buf_put_escaped(out, json.data, json.len);
	buf_fini(&json);
	return r < 0 ? r : REPLY_NOW;
}

int pk_file_load_address(struct session *s, struct args *a, struct buf *out)
{
	struct lldb_region r;
	char *path;
	int e;

	if (!take_hex_string(a, PATH_MAX, &path))
		return -EPROTO;
	e = lldb_region_of(s, path, &r);
	free(path);
	if (e < 0)
		return e;
	buf_printf(out, "%016" PRIx64, r.start - r.offset);
	return REPLY_NOW;
}

/* lldb reads the address of the r_debug from there itself. */
int pk_shlib_info(struct session *s, struct args *a, struct buf *out)
{
	uint64_t at;
	int e = svr4_place(s->target, session_process(s), &at);

	(void)a;
	if (e < 0)
		return e;
	buf_printf(out, "%" PRIx64, at);
	return REPLY_NOW;
}
