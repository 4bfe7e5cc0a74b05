#include "trace/plt.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "trace/story.h"

/* --- sections ------------------------------------------------------------ */

bool elf_section_next(const struct elf_file *f, struct elf_section *s)
{
	size_t names;

	if (f->u->elf_getshdrstrndx(f->elf, &names) < 0)
		return false;
	do {
		s->scn = f->u->elf_nextscn(f->elf, s->scn);
		if (!s->scn)
			return false;
		s->name = f->u->gelf_getshdr(s->scn, &s->header)
				  ? f->u->elf_strptr(f->elf, names,
						     s->header.sh_name)
				  : NULL;
	} while (!s->name);
	return true;
}

/* --- what the slots of the GOT are linked to ------------------------------ */

/* Symbols of the file itself are in the list already. */
struct got {
	const struct symbol_list *list;
	struct map names; /* by address; "": nobody has named what is there */
};

/* A function that is chosen when the program starts has the name of the one
 * that chooses. */
static const char *chosen(const struct symbol_list *l, uint64_t begin)
{
	const struct symbol *best = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct symbol *s = &l->all[i];

		if (s->begin == begin && (!best || s->rank > best->rank ||
					  (s->rank == best->rank &&
					   strcmp(s->name, best->name) < 0)))
			best = s;
	}
	return best ? best->name : "";
}

/* symbols: NULL, in files that are linked to nothing else. */
static const char *linked_to(const struct got *got, const struct elf_file *f,
			     const GElf_Rela *rela, Elf_Data *symbols,
			     size_t strings)
{
	const char *name;
	GElf_Sym sym;

	if (GELF_R_TYPE(rela->r_info) == R_X86_64_IRELATIVE)
		return chosen(got->list, (uint64_t)rela->r_addend - f->vaddr);
	if (!symbols ||
	    !f->u->gelf_getsym(symbols, (int)GELF_R_SYM(rela->r_info), &sym))
		return NULL;
	name = f->u->elf_strptr(f->elf, strings, sym.st_name);
	return name && *name ? name : NULL;
}

static void add_links(struct got *got, const struct elf_file *f,
		      const struct elf_section *s)
{
	const struct elfutils *u = f->u;
	Elf_Data *relas = u->elf_getdata(s->scn, NULL), *symbols;
	Elf_Scn *linked = u->elf_getscn(f->elf, s->header.sh_link);
	GElf_Shdr sh = { 0 };
	GElf_Rela rela;

	if (!relas)
		return;
	symbols = linked && u->gelf_getshdr(linked, &sh) &&
				  sh.sh_type == SHT_DYNSYM
			  ? u->elf_getdata(linked, NULL)
			  : NULL;
	for (int i = 0; u->gelf_getrela(relas, i, &rela); i++) {
		const char *name =
			linked_to(got, f, &rela, symbols, sh.sh_link);

		if (name && rela.r_offset)
			map_set(&got->names, rela.r_offset,
				(void *)(uintptr_t)name);
	}
}

/* --- stubs ---------------------------------------------------------------- */

/* The slot that a stub at vaddr jumps through, `jmp *disp(%rip)`; 0: none. */
static uint64_t slot_of(const uint8_t *code, size_t n, uint64_t vaddr)
{
	int32_t disp;

	for (size_t i = 0; i + 6 <= n; i++) {
		if (code[i] != 0xff || code[i + 1] != 0x25)
			continue;
		memcpy(&disp, code + i + 2, 4);
		return vaddr + i + 6 + (uint64_t)(int64_t)disp;
	}
	return 0;
}

static void add_stub(struct symbol_list *l, const struct got *got,
		     const uint8_t *code, size_t n, uint64_t vaddr,
		     uint64_t bias)
{
	uint64_t slot = slot_of(code, n, vaddr);
	const char *to = slot ? map_find(&got->names, slot) : NULL;

	/* What is none jumps to the linker, or is what all of those go to. */
	symbol_list_add(l, &(struct symbol){
				   .begin = vaddr - bias,
				   .end = vaddr - bias + n,
				   .name = to && *to ? xasprintf("%s@plt", to)
						     : xstrdup(".plt"),
				   .flags = to ? FUNCTION_PLT : FUNCTION_LINK,
				   .rank = SYMBOL_STUB,
			   });
}

static void add_stubs(struct symbol_list *l, const struct got *got,
		      const Elf_Data *d, const GElf_Shdr *sh, uint64_t bias)
{
	size_t size = sh->sh_entsize == 8 ? 8 : 16;

	for (size_t at = 0; at + size <= d->d_size; at += size)
		add_stub(l, got, (const uint8_t *)d->d_buf + at, size,
			 sh->sh_addr + at, bias);
}

void plt_add(struct symbol_list *l, const struct elf_file *f)
{
	struct got got = { .list = l };
	struct elf_section s = { 0 };

	while (elf_section_next(f, &s)) {
		if (s.header.sh_type == SHT_RELA)
			add_links(&got, f, &s);
	}
	s = (struct elf_section){ 0 };
	while (elf_section_next(f, &s)) {
		const Elf_Data *d;

		if (strncmp(s.name, ".plt", 4) != 0 ||
		    s.header.sh_type != SHT_PROGBITS)
			continue;
		d = f->u->elf_getdata(s.scn, NULL);
		if (d && d->d_buf)
			add_stubs(l, &got, d, &s.header, f->vaddr);
	}
	map_fini(&got.names);
}
