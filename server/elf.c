/* Program headers and dynamic sections; elfsym.c has the symbols. */
#include "server/elf.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "target/target.h"

#define PHDRS_MAX   128
#define DYNAMIC_MAX 512 /* entries */
#define AUXV_MAX    64	/* entries */
#define PAGE	    4096u
#define SEARCH_MAX  16384 /* pages: 64 MiB */

uint64_t elf_addr_add(const struct process *p, uint64_t addr, uint64_t by)
{
	return p->arch->word == 4 ? (uint32_t)(addr + by) : addr + by;
}

static void words_widen(unsigned word, const void *raw, uint64_t *out, size_t n)
{
	const char *at = raw;
	uint32_t half;

	if (word == 8) {
		memcpy(out, raw, 8 * n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		memcpy(&half, at + 4 * i, 4);
		out[i] = half;
	}
}

int elf_words_read(struct target *t, struct process *p, uint64_t addr,
		   uint64_t *out, size_t n)
{
	char raw[8 * ELF_WORDS_MAX];
	int rc;

	if (n > ELF_WORDS_MAX)
		return -EINVAL;
	rc = target_read_all(t, p, addr, raw, n * p->arch->word);
	if (rc < 0)
		return rc;
	words_widen(p->arch->word, raw, out, n);
	return 0;
}

/* The kernel's aux vector, by tag; those that are not there are 0. */
struct aux {
	uint64_t phdr, phnum, base, entry;
};

static int aux_read(struct target *t, struct process *p, struct aux *out)
{
	const size_t pair = 2 * p->arch->word;
	char raw[16 * AUXV_MAX];
	struct thread *th;
	ssize_t len;
	uint64_t v[2];

	memset(out, 0, sizeof(*out));
	if (!t->ops->object || !t->ops->object->read)
		return -ENOTSUP;
	if (list_empty(&p->threads))
		return -ESRCH;
	th = list_entry(p->threads.next, struct thread, node);
	len = t->ops->object->read(t, th, OBJ_AUXV, 0, raw, AUXV_MAX * pair);
	if (len < 0)
		return len;

	for (size_t at = 0; at + pair <= (size_t)len; at += pair) {
		words_widen(p->arch->word, raw + at, v, 2);
		switch (v[0]) {
		case AT_PHDR:
			out->phdr = v[1];
			break;
		case AT_PHNUM:
			out->phnum = v[1];
			break;
		case AT_BASE:
			out->base = v[1];
			break;
		case AT_ENTRY:
			out->entry = v[1];
			break;
		}
	}
	return 0;
}

/* The ELF header's fields that matter here, of either class. */
struct header {
	uint64_t entry, phoff;
	unsigned phnum, size;
};

static int header_read(struct target *t, struct process *p, uint64_t addr,
		       struct header *out)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr e32;
		Elf64_Ehdr e64;
	} h;
	const bool wide = p->arch->word == 8;
	int rc;

	out->size = wide ? sizeof(h.e64) : sizeof(h.e32);
	rc = target_read_all(t, p, addr, &h, out->size);
	if (rc < 0)
		return rc;
	if (memcmp(h.ident, ELFMAG, SELFMAG) ||
	    h.ident[EI_CLASS] != (wide ? ELFCLASS64 : ELFCLASS32))
		return -ENOEXEC;
	out->entry = wide ? h.e64.e_entry : h.e32.e_entry;
	out->phoff = wide ? h.e64.e_phoff : h.e32.e_phoff;
	out->phnum = wide ? h.e64.e_phnum : h.e32.e_phnum;
	return 0;
}

static int phdrs_read(const struct elf_image *img, uint64_t addr, uint64_t n,
		      Elf64_Phdr *out)
{
	Elf32_Phdr half[PHDRS_MAX];
	int rc;

	if (n == 0 || n > PHDRS_MAX)
		return -ENOEXEC;
	if (img->word == 8)
		return target_read_all(img->t, img->p, addr, out,
				       n * sizeof(*out));
	rc = target_read_all(img->t, img->p, addr, half, n * sizeof(*half));
	for (size_t i = 0; rc >= 0 && i < n; i++)
		out[i] = (Elf64_Phdr){
			.p_type = half[i].p_type,
			.p_vaddr = half[i].p_vaddr,
			.p_filesz = half[i].p_filesz,
			.p_memsz = half[i].p_memsz,
			.p_align = half[i].p_align,
		};
	return rc;
}

/* What the program headers say, once the bias is known. */
static void image_fill(struct elf_image *img, const Elf64_Phdr *ph, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ph[i].p_type == PT_DYNAMIC) {
			img->dynamic =
				elf_addr_add(img->p, img->bias, ph[i].p_vaddr);
			img->dynamic_size = ph[i].p_memsz;
		} else if (ph[i].p_type == PT_TLS) {
			img->tls.vaddr = ph[i].p_vaddr;
			img->tls.filesz = ph[i].p_filesz;
			img->tls.memsz = ph[i].p_memsz;
			img->tls.align = ph[i].p_align;
		}
	}
}

static void image_init(struct elf_image *img, struct target *t,
		       struct process *p)
{
	memset(img, 0, sizeof(*img));
	img->t = t;
	img->p = p;
	img->word = p->arch->word;
}

/*
 * How far the kernel moved the program. PT_PHDR tells; programs without one
 * (static ones) have their program headers right behind the ELF header.
 */
static int main_bias(const struct elf_image *img, const struct aux *aux,
		     const Elf64_Phdr *ph, uint64_t *bias)
{
	struct header h;
	uint64_t size;
	int rc;

	for (size_t i = 0; i < aux->phnum; i++) {
		if (ph[i].p_type == PT_PHDR) {
			*bias = elf_addr_add(img->p, aux->phdr, -ph[i].p_vaddr);
			return 0;
		}
	}
	size = img->word == 8 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	rc = header_read(img->t, img->p, aux->phdr - size, &h);
	if (rc < 0)
		return rc;
	if (h.phoff != size)
		return -ENOEXEC;
	*bias = elf_addr_add(img->p, aux->entry, -h.entry);
	return 0;
}

static int image_main(struct elf_image *out, const struct aux *aux)
{
	Elf64_Phdr ph[PHDRS_MAX];
	int rc;

	if (!aux->phdr)
		return -ENOENT;
	rc = phdrs_read(out, aux->phdr, aux->phnum, ph);
	if (rc >= 0)
		rc = main_bias(out, aux, ph, &out->bias);
	if (rc >= 0)
		image_fill(out, ph, aux->phnum);
	return rc;
}

int elf_image_main(struct target *t, struct process *p, struct elf_image *out)
{
	struct aux aux;
	int rc;

	image_init(out, t, p);
	rc = aux_read(t, p, &aux);
	return rc < 0 ? rc : image_main(out, &aux);
}

/* From the ELF header at addr, of an object moved by bias. */
static int image_at(struct elf_image *out, uint64_t addr, uint64_t bias)
{
	Elf64_Phdr ph[PHDRS_MAX];
	struct header h;
	int rc;

	rc = header_read(out->t, out->p, addr, &h);
	if (rc >= 0)
		rc = phdrs_read(out, elf_addr_add(out->p, addr, h.phoff),
				h.phnum, ph);
	if (rc < 0)
		return rc;
	out->bias = bias;
	image_fill(out, ph, h.phnum);
	return 0;
}

int elf_image_linker(struct target *t, struct process *p, struct elf_image *out)
{
	struct aux aux;
	int rc;

	image_init(out, t, p);
	rc = aux_read(t, p, &aux);
	if (rc < 0)
		return rc;
	return aux.base ? image_at(out, aux.base, aux.base)
			: image_main(out, &aux);
}

static int image_loaded(struct elf_image *out, struct target *t,
			struct process *p, uint64_t at, uint64_t l_addr,
			uint64_t l_ld)
{
	int rc;

	image_init(out, t, p);
	rc = image_at(out, at, l_addr);
	return rc < 0 ? rc : out->dynamic == l_ld ? 0 : -ENOENT;
}

int elf_image_loaded(struct target *t, struct process *p, uint64_t l_addr,
		     uint64_t l_ld, struct elf_image *out)
{
	return image_loaded(out, t, p, l_addr, l_addr, l_ld);
}

int elf_image_search(struct target *t, struct process *p, uint64_t l_addr,
		     uint64_t l_ld, struct elf_image *out)
{
	uint64_t at = l_ld & ~(uint64_t)(PAGE - 1);

	if (elf_image_loaded(t, p, l_addr, l_ld, out) >= 0)
		return 0;
	for (size_t i = 0; i < SEARCH_MAX && at; i++, at -= PAGE)
		if (image_loaded(out, t, p, at, l_addr, l_ld) >= 0)
			return 0;
	return -ENOENT;
}

static int find_dynamic(const struct elf_image *img, uint64_t tag,
			uint64_t *place, uint64_t *value)
{
	const size_t pair = 2 * img->word;
	char raw[16 * DYNAMIC_MAX];
	uint64_t v[2], size = img->dynamic_size;
	ssize_t len;

	if (!img->dynamic)
		return -ENOENT;
	if (size > DYNAMIC_MAX * pair)
		size = DYNAMIC_MAX * pair;
	len = target_read(img->t, img->p, img->dynamic, raw, size);
	if (len < 0)
		return len;
	for (size_t at = 0; at + pair <= (size_t)len; at += pair) {
		words_widen(img->word, raw + at, v, 2);
		if (v[0] == DT_NULL)
			break;
		if (v[0] == tag) {
			*place = img->dynamic + at + img->word;
			*value = v[1];
			return 0;
		}
	}
	return -ENOENT;
}

int elf_dynamic_find(const struct elf_image *img, uint64_t tag, uint64_t *value)
{
	uint64_t place;

	return find_dynamic(img, tag, &place, value);
}

int elf_dynamic_place(const struct elf_image *img, uint64_t tag, uint64_t *at)
{
	uint64_t value;

	return find_dynamic(img, tag, at, &value);
}
