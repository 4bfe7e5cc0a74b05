/*
 * .eh_frame: where functions begin and end, though nobody names them. Its
 * layout is the Linux Standard Base's (core, 10.6.1), which is DWARF's (6.4.1)
 * but for pointers; here only those that compilers write are read: 32 bits
 * relative to where they are.
 */
#include <dwarf.h>
#include <string.h>

#include "base/mem.h"
#include "trace/plt.h"

#define PCREL_32 (DW_EH_PE_pcrel | DW_EH_PE_sdata4)

/* How pointers of frames of that CIE are written: behind "zR" is one byte of
 * it for each letter, P having a pointer that none of these has. */
static bool is_plain(const Dwarf_CIE *cie)
{
	const char *letters = cie->augmentation;
	const uint8_t *data = cie->augmentation_data;

	if (!letters || *letters++ != 'z')
		return false;
	for (; *letters && data; letters++) {
		if (*letters == 'R')
			return *data == PCREL_32;
		if (*letters == 'L')
			data++;
		else if (*letters == 'P')
			data += 1 + ((*data & 7) == DW_EH_PE_udata4 ? 4 : 8);
		else if (*letters != 'S')
			return false;
	}
	return false;
}

static uint64_t read_uleb(const uint8_t **at, const uint8_t *end)
{
	uint64_t v = 0;

	for (unsigned shift = 0; *at < end; shift += 7) {
		uint8_t byte = *(*at)++;

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			break;
	}
	return v;
}

/* What is called finds its return address on top of the stack. Does more lie
 * there at its first instruction? */
static bool is_part(const uint8_t *at, const uint8_t *end)
{
	uint64_t augmentation = read_uleb(&at, end);

	if (augmentation > (uint64_t)(end - at))
		return false;
	at += augmentation;
	while (at < end) {
		uint8_t op = *at++;

		if (op == DW_CFA_def_cfa_offset)
			return read_uleb(&at, end) != 8;
		if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_register ||
		    op == DW_CFA_def_cfa_expression)
			return true;
		if ((op & 0xc0) != DW_CFA_offset &&
		    op != DW_CFA_GNU_args_size)
			return false;
		read_uleb(&at, end);
	}
	return false;
}

static void add_frame(struct symbol_list *l, const uint8_t *field,
		      const uint8_t *end, uint64_t at, uint64_t vaddr)
{
	int32_t begin;
	uint32_t size;

	memcpy(&begin, field, 4);
	memcpy(&size, field + 4, 4);
	at += (uint64_t)(int64_t)begin;
	if (!size)
		return;
	symbol_list_add(l, &(struct symbol){
				   .begin = at - vaddr,
				   .end = at - vaddr + size,
				   .name = xasprintf("0x%lx", at),
				   .rank = SYMBOL_FRAME,
				   .part = is_part(field + 8, end),
			   });
}

/* Of the entry, if it is a function's and is read here. */
static const uint8_t *begin_field(const struct elf_file *f, Elf_Data *d,
				  const Dwarf_CFI_Entry *entry)
{
	const unsigned char *ident = (void *)f->u->elf_getident(f->elf, NULL);
	Dwarf_CFI_Entry cie;
	Dwarf_Off next;

	if (dwarf_cfi_cie_p(entry) ||
	    f->u->dwarf_next_cfi(ident, d, true, entry->fde.CIE_pointer, &next,
				 &cie) ||
	    !dwarf_cfi_cie_p(&cie) || !is_plain(&cie.cie) ||
	    entry->fde.start + 8 > entry->fde.end)
		return NULL;
	return entry->fde.start;
}

static void add_frames(struct symbol_list *l, const struct elf_file *f,
		       Elf_Data *d, const GElf_Shdr *sh)
{
	const unsigned char *ident = (void *)f->u->elf_getident(f->elf, NULL);
	Dwarf_Off off = 0, next = 0;
	Dwarf_CFI_Entry entry;
	const uint8_t *field;
	int r;

	while ((r = f->u->dwarf_next_cfi(ident, d, true, off, &next, &entry)) !=
	       1) {
		field = r ? NULL : begin_field(f, d, &entry);
		if (field)
			add_frame(l, field, entry.fde.end,
				  sh->sh_addr + (uint64_t)(field -
							   (uint8_t *)d->d_buf),
				  f->vaddr);
		if (next == off)
			return;
		off = next;
	}
}

void frames_add(struct symbol_list *l, const struct elf_file *f)
{
	struct elf_section s = { 0 };
	Elf_Data *d;

	while (elf_section_next(f, &s)) {
		if (strcmp(s.name, ".eh_frame") != 0 ||
		    s.header.sh_type == SHT_NOBITS)
			continue;
		d = f->u->elf_getdata(s.scn, NULL);
		if (d && d->d_buf)
			add_frames(l, f, d, &s.header);
	}
}
