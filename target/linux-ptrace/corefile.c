#include "target/linux-ptrace/corefile.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/corememory.h"

struct writer {
	const struct core_image *c;
	struct core_copy copy;
};

static int put_memory(struct writer *w, uint64_t at)
{
	const struct core_segment *s = w->c->segments;
	int r = 0;

	for (size_t i = 0; i < w->c->n && r == 0; at += s[i++].filesz)
		r = core_copy_segment(&w->copy, &s[i], at);
	return r < 0 ? r : ftruncate64(w->copy.fd, (off64_t)at) < 0 ? -errno : 0;
}

/* --- headers ------------------------------------------------------------- */

static void put_header32(struct buf *out, const Elf64_Ehdr *h)
{
	Elf32_Ehdr h32 = {
		.e_type = h->e_type,
		.e_machine = h->e_machine,
		.e_version = h->e_version,
		.e_phoff = sizeof(Elf32_Ehdr),
		.e_shoff = (Elf32_Off)h->e_shoff,
		.e_ehsize = sizeof(Elf32_Ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = h->e_phnum,
		.e_shentsize = h->e_shnum ? sizeof(Elf32_Shdr) : 0,
		.e_shnum = h->e_shnum,
	};

	memcpy(h32.e_ident, h->e_ident, EI_NIDENT);
	h32.e_ident[EI_CLASS] = ELFCLASS32;
	buf_put(out, &h32, sizeof(h32));
}

static void put_segment(struct buf *out, unsigned word, const Elf64_Phdr *p)
{
	Elf32_Phdr p32 = {
		.p_type = p->p_type,
		.p_offset = (Elf32_Off)p->p_offset,
		.p_vaddr = (Elf32_Addr)p->p_vaddr,
		.p_filesz = (Elf32_Word)p->p_filesz,
		.p_memsz = (Elf32_Word)p->p_memsz,
		.p_flags = p->p_flags,
		.p_align = (Elf32_Word)p->p_align,
	};

	if (word == 4)
		buf_put(out, &p32, sizeof(p32));
	else
		buf_put(out, p, sizeof(*p));
}

/* The true number of program headers, where their field cannot hold it:
 * elf(5), PN_XNUM. */
static void put_count(struct buf *out, unsigned word, size_t n)
{
	Elf64_Shdr s = { .sh_size = 1, .sh_info = (Elf64_Word)n };
	Elf32_Shdr s32 = { .sh_size = 1, .sh_info = (Elf32_Word)n };

	if (word == 4)
		buf_put(out, &s32, sizeof(s32));
	else
		buf_put(out, &s, sizeof(s));
}

static size_t headers_size(unsigned word, size_t n)
{
	size_t size = word == 4 ? sizeof(Elf32_Ehdr) + n * sizeof(Elf32_Phdr) :
				  sizeof(Elf64_Ehdr) + n * sizeof(Elf64_Phdr);

	if (n >= PN_XNUM)
		size += word == 4 ? sizeof(Elf32_Shdr) : sizeof(Elf64_Shdr);
	return size;
}

static void put_header(struct buf *out, const struct core_image *c)
{
	size_t n = c->n + 1;
	bool many = n >= PN_XNUM;
	unsigned word = c->p->arch->word;
	Elf64_Ehdr h = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = c->machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(h),
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = many ? PN_XNUM : (Elf64_Half)n,
	};

	if (many) {
		h.e_shoff = headers_size(word, n) -
			    (word == 4 ? sizeof(Elf32_Shdr) :
					 sizeof(Elf64_Shdr));
		h.e_shentsize = sizeof(Elf64_Shdr);
		h.e_shnum = 1;
	}
	if (word == 4)
		put_header32(out, &h);
	else
		buf_put(out, &h, sizeof(h));
}

static uint32_t flags_of(const struct mapping *m)
{
	return (m->flags & MAPPING_READ ? PF_R : 0u) |
	       (m->flags & MAPPING_WRITE ? PF_W : 0u) |
	       (m->flags & MAPPING_EXEC ? PF_X : 0u);
}

/* Where memory begins in the file. */
static uint64_t put_headers(struct buf *out, const struct core_image *c,
			    uint64_t page)
{
	unsigned word = c->p->arch->word;
	size_t head = headers_size(word, c->n + 1);
	uint64_t begin = (head + c->notes.len + page - 1) & -page, at = begin;
	Elf64_Phdr notes = {
		.p_type = PT_NOTE,
		.p_offset = head,
		.p_filesz = c->notes.len,
		.p_align = 4,
	};

	put_header(out, c);
	put_segment(out, word, &notes);
	for (size_t i = 0; i < c->n; i++) {
		const struct core_segment *s = &c->segments[i];
		Elf64_Phdr load = {
			.p_type = PT_LOAD,
			.p_flags = flags_of(s->of),
			.p_offset = at,
			.p_vaddr = s->addr,
			.p_filesz = s->filesz,
			.p_memsz = s->memsz,
			.p_align = page,
		};

		put_segment(out, word, &load);
		at += s->filesz;
	}
	if (c->n + 1 >= PN_XNUM)
		put_count(out, word, c->n + 1);
	return word == 4 && at > UINT32_MAX ? 0 : begin;
}

/* --- the file ------------------------------------------------------------ */

static int write_all(struct writer *w)
{
	const struct core_image *c = w->c;
	struct buf head = { 0 };
	uint64_t begin;
	int r = -EFBIG;

	begin = put_headers(&head, c, w->copy.page);
	if (begin)
		r = core_copy_put(&w->copy, head.data, head.len, 0);
	if (r == 0)
		r = core_copy_put(&w->copy, c->notes.data, c->notes.len, head.len);
	if (r == 0)
		r = put_memory(w, begin);
	buf_fini(&head);
	return r;
}

/* SIGXFSZ would end us, where there is a limit to the size of files. */
static int write_limited(struct writer *w)
{
	const struct timespec now = { 0 };
	sigset_t limit, before;
	int r;

	sigemptyset(&limit);
	sigaddset(&limit, SIGXFSZ);
	sigprocmask(SIG_BLOCK, &limit, &before);
	r = write_all(w);
	if (close(w->copy.fd) < 0 && r == 0)
		r = -errno;
	sigtimedwait(&limit, NULL, &now);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* A rename would put the core in the place of a device as well. */
static int check_place(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	return err_set(e, -EEXIST, "cannot write core %s: %s", path,
		       S_ISDIR(st.st_mode) ? "it is a directory" :
					     "it is there and no plain file");
}

static int write_beside(struct writer *w, const char *path, struct err *e)
{
	char *temp = xasprintf("%s.XXXXXX", path);
	int r = 0;

	w->copy.fd = mkostemp(temp, O_CLOEXEC);
	if (w->copy.fd < 0) {
		r = -errno;
	} else {
		r = write_limited(w);
		if (r == 0 && rename(temp, path) < 0)
			r = -errno;
		if (r < 0)
			unlink(temp);
	}
	free(temp);
	if (r < 0)
		err_set(e, r, "cannot write core %s: %s", path, strerror(-r));
	return r;
}

int64_t corefile_write(struct target *t, const struct core_image *c,
		       const char *path, struct err *e)
{
	struct writer w = { .c = c };
	int r = check_place(path, e);

	if (r < 0)
		return r;
	core_copy_init(&w.copy, t, c->p, c->tid);
	r = write_beside(&w, path, e);
	core_copy_fini(&w.copy);
	return r < 0 ? r : (int64_t)w.copy.written;
}
