/*
 * Exported symbols of an object in memory, found as the dynamic linker finds
 * them: through DT_GNU_HASH, or DT_HASH where there is no other.
 */
#include "server/elf.h"

#include <elf.h>
#include <string.h>

#include "base/mem.h"
#include "target/target.h"

#define CHAIN_MAX  4096 /* symbols of one hash value's chain */
#define SYMBOL_MAX 128	/* bytes of a name that is looked for */

struct symtab {
	const struct elf_image *img;
	uint64_t symbols, strings;
	const char *name; /* what is looked for */
};

/* Some dynamic linkers (glibc) relocate the section in place, others (musl),
 * and those that have not run yet, leave the file's addresses. */
static int pointer_find(const struct elf_image *img, uint64_t tag,
			uint64_t *addr)
{
	int rc = elf_dynamic_find(img, tag, addr);

	if (rc >= 0 && *addr < img->bias)
		*addr = elf_addr_add(img->p, *addr, img->bias);
	return rc;
}

static int u32_read(const struct elf_image *img, uint64_t addr, uint32_t *out,
		    size_t n)
{
	return target_read_all(img->t, img->p, addr, out, n * sizeof(*out));
}

static int symbol_read(const struct symtab *s, uint32_t index, Elf64_Sym *out)
{
	const struct elf_image *img = s->img;
	Elf32_Sym half;
	int rc;

	if (img->word == 8)
		return target_read_all(img->t, img->p,
				       s->symbols + index * sizeof(*out), out,
				       sizeof(*out));
	rc = target_read_all(img->t, img->p, s->symbols + index * sizeof(half),
			     &half, sizeof(half));
	if (rc >= 0)
		*out = (Elf64_Sym){
			.st_name = half.st_name,
			.st_info = half.st_info,
			.st_shndx = half.st_shndx,
			.st_value = half.st_value,
		};
	return rc;
}

/* 1: it is the one, and *addr is where; 0: it is another. */
static int symbol_match(const struct symtab *s, uint32_t index, uint64_t *addr)
{
	const size_t len = strlen(s->name) + 1;
	char name[SYMBOL_MAX];
	Elf64_Sym sym;
	int rc;

	rc = symbol_read(s, index, &sym);
	if (rc < 0)
		return rc;
	if (sym.st_shndx == SHN_UNDEF || len > sizeof(name))
		return 0;
	rc = target_read_all(s->img->t, s->img->p, s->strings + sym.st_name,
			     name, len);
	if (rc < 0)
		return rc;
	if (memcmp(name, s->name, len))
		return 0;
	*addr = elf_addr_add(s->img->p, s->img->bias, sym.st_value);
	return 1;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

/* Hash values of a chain end with one whose lowest bit is set. */
static int gnu_find(const struct symtab *s, uint64_t table, uint64_t *addr)
{
	enum { BUCKETS, FIRST, BLOOM, SHIFT, N_HEAD };
	uint32_t head[N_HEAD], h = gnu_hash(s->name), index, link;
	uint64_t buckets, chains;
	int rc;

	rc = u32_read(s->img, table, head, N_HEAD);
	if (rc < 0)
		return rc;
	if (!head[BUCKETS])
		return -ENOENT;
	buckets = table + sizeof(head) + (uint64_t)head[BLOOM] * s->img->word;
	chains = buckets + 4 * (uint64_t)head[BUCKETS];
	rc = u32_read(s->img, buckets + 4 * (uint64_t)(h % head[BUCKETS]),
		      &index, 1);
	if (rc < 0)
		return rc;
	if (index < head[FIRST])
		return -ENOENT;

	for (int i = 0; i < CHAIN_MAX; i++, index++) {
		rc = u32_read(s->img,
			      chains + 4 * (uint64_t)(index - head[FIRST]),
			      &link, 1);
		if (rc >= 0 && (link | 1) == (h | 1))
			rc = symbol_match(s, index, addr);
		if (rc)
			return rc;
		if (link & 1)
			break;
	}
	return -ENOENT;
}

static uint32_t sysv_hash(const char *name)
{
	uint32_t h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h = (h ^ (h >> 24 & 0xf0)) & 0x0fffffff;
	}
	return h;
}

static int sysv_find(const struct symtab *s, uint64_t table, uint64_t *addr)
{
	uint32_t head[2], index; /* counts of buckets and of chains */
	uint64_t at;
	int rc;

	rc = u32_read(s->img, table, head, 2);
	if (rc < 0)
		return rc;
	if (!head[0])
		return -ENOENT;
	at = table + 8 + 4 * (uint64_t)(sysv_hash(s->name) % head[0]);
	for (int i = 0; i < CHAIN_MAX; i++) {
		rc = u32_read(s->img, at, &index, 1);
		if (rc < 0)
			return rc;
		if (index == STN_UNDEF || index >= head[1])
			break;
		rc = symbol_match(s, index, addr);
		if (rc)
			return rc;
		at = table + 8 + 4 * ((uint64_t)head[0] + index);
	}
	return -ENOENT;
}

int elf_symbol_find(const struct elf_image *img, const char *name,
		    uint64_t *addr)
{
	struct symtab s = { .img = img, .name = name };
	uint64_t table;
	int rc;

	rc = pointer_find(img, DT_SYMTAB, &s.symbols);
	if (rc >= 0)
		rc = pointer_find(img, DT_STRTAB, &s.strings);
	if (rc < 0)
		return rc;
	if (pointer_find(img, DT_GNU_HASH, &table) >= 0)
		rc = gnu_find(&s, table, addr);
	else if (pointer_find(img, DT_HASH, &table) >= 0)
		rc = sysv_find(&s, table, addr);
	else
		rc = -ENOENT;
	return rc < 0 ? rc : 0;
}
