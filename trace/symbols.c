#include "trace/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "trace/demangle.h"
#include "trace/lazy.h"
#include "trace/plt.h"
#include "trace/story.h"
#include "trace/symbols-list.h"

struct symbols {
	struct symbol_list list;
	const struct elfutils *u;
	Dwfl *dwfl;
	Dwfl_Module *module; /* NULL: nothing is known */
	uint64_t bias;	     /* libdwfl's addresses - offsets */
	uint64_t vaddr;	     /* the file's own - offsets */
};

/* --- the file ------------------------------------------------------------- */

/* What is mapped where the file's own addresses begin. */
static uint64_t first_vaddr(const struct elfutils *u, Elf *elf, uint64_t offset)
{
	size_t n = 0;
	GElf_Phdr ph;

	u->elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n; i++) {
		if (u->gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD)
			return ph.p_vaddr - ph.p_offset + offset;
	}
	return 0;
}

static Dwfl_Module *open_module(struct symbols *s, const char *path)
{
	const struct elfutils *u = s->u;
	static char *debuginfo_path;
	static Dwfl_Callbacks callbacks;
	Dwfl_Module *m;

	callbacks = (Dwfl_Callbacks){
		.find_elf = u->dwfl_build_id_find_elf,
		.find_debuginfo = u->dwfl_standard_find_debuginfo,
		.section_address = u->dwfl_offline_section_address,
		.debuginfo_path = &debuginfo_path,
	};
	s->dwfl = u->dwfl_begin(&callbacks);
	if (!s->dwfl)
		return NULL;
	m = u->dwfl_report_offline(s->dwfl, path, path, -1);
	u->dwfl_report_end(s->dwfl, NULL, NULL);
	return m;
}

/* --- its symbols ---------------------------------------------------------- */

/* Of several names the one that programmers know. */
static uint8_t rank_of(const GElf_Sym *sym, const char *name)
{
	uint8_t rank = 2 * SYMBOL_NAMED;

	if (GELF_ST_BIND(sym->st_info) == STB_GLOBAL)
		rank += 32;
	else if (GELF_ST_BIND(sym->st_info) == STB_WEAK)
		rank += 16;
	for (; *name == '_' && rank % 16 < 8; name++)
		rank++;
	return (uint8_t)(rank ^ 15);
}

/* Where the code of that section ends; 0: it is none. */
static uint64_t code_end(const struct symbols *s, GElf_Word section)
{
	GElf_Addr bias;
	GElf_Shdr sh;
	Elf_Scn *scn = s->u->elf_getscn(
		s->u->dwfl_module_getelf(s->module, &bias), section);

	if (!scn || !s->u->gelf_getshdr(scn, &sh) ||
	    !(sh.sh_flags & SHF_EXECINSTR))
		return 0;
	return sh.sh_addr + sh.sh_size - s->vaddr;
}

/* The version, which is of no interest. */
static char *name_of(const char *name)
{
	return xstrndup(name, strcspn(name, "@"));
}

static bool is_code(int type)
{
	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

/* Labels without a type, in assembly, count where nothing else covers them. */
static void add_symbol(struct symbols *s, int i)
{
	GElf_Word section;
	GElf_Addr addr;
	GElf_Sym sym;
	const char *name = s->u->dwfl_module_getsym_info(
		s->module, i, &sym, &addr, &section, NULL, NULL);
	int type = GELF_ST_TYPE(sym.st_info);
	uint64_t end;

	if (!name || !*name || *name == '@' || !is_code(type))
		return;
	end = code_end(s, section);
	if (!end)
		return;
	symbol_list_add(
		&s->list,
		&(struct symbol){
			.begin = addr - s->bias,
			.end = sym.st_size ? addr - s->bias + sym.st_size : end,
			.open = !sym.st_size,
			.name = name_of(name),
			.rank = type == STT_NOTYPE ? SYMBOL_LABEL
						   : rank_of(&sym, name),
			.flags = strncmp(name, "_dl_runtime_resolve", 19)
					 ? 0
					 : FUNCTION_LINK,
		});
}

static void read_file(struct symbols *s, Elf *elf)
{
	const struct elf_file f = { s->u, elf, s->vaddr };

	for (int i = 0, n = s->u->dwfl_module_getsymtab(s->module); i < n; i++)
		add_symbol(s, i);
	plt_add(&s->list, &f);
	frames_add(&s->list, &f);
	symbol_list_close(&s->list);
	symbol_list_join(&s->list, s);
}

struct symbols *symbols_new(const char *path, uint64_t offset)
{
	struct symbols *s = xcalloc(1, sizeof(*s));
	GElf_Addr bias;
	Elf *elf;

	s->u = elfutils();
	s->module = s->u ? open_module(s, path) : NULL;
	elf = s->module ? s->u->dwfl_module_getelf(s->module, &bias) : NULL;
	if (elf) {
		s->vaddr = first_vaddr(s->u, elf, offset);
		s->bias = s->vaddr + bias;
		read_file(s, elf);
	} else {
		s->module = NULL;
	}
	return s;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	symbol_list_fini(&s->list);
	if (s->dwfl)
		s->u->dwfl_end(s->dwfl);
	free(s);
}

/* --- what is asked -------------------------------------------------------- */

size_t symbols_count(const struct symbols *s)
{
	return s->list.n;
}

const struct symbol *symbols_at(const struct symbols *s, size_t index)
{
	return &s->list.all[index];
}

size_t symbols_index(const struct symbols *s, const struct symbol *of)
{
	return (size_t)(of - s->list.all);
}

const struct symbol *symbols_find(const struct symbols *s, uint64_t offset)
{
	return symbol_list_find(&s->list, offset);
}

const char *symbols_name(struct symbols *s, const struct symbol *of)
{
	struct symbol *mine = &s->list.all[symbols_index(s, of)];

	if (!mine->plain) {
		mine->plain = demangle(mine->name);
		if (!mine->plain)
			mine->plain = xstrdup(mine->name);
	}
	return mine->plain;
}

uint64_t symbols_vaddr(const struct symbols *s, uint64_t offset)
{
	return s->vaddr + offset;
}

struct Dwfl_Module *symbols_module(const struct symbols *s, uint64_t *bias)
{
	*bias = s->bias;
	return s->module;
}

const uint8_t *symbols_bytes(const struct symbols *s, uint64_t offset, size_t n)
{
	uint64_t vaddr = symbols_vaddr(s, offset);
	GElf_Addr bias;
	size_t size, n_headers = 0;
	const char *raw;
	GElf_Phdr ph;
	Elf *elf;

	elf = s->module ? s->u->dwfl_module_getelf(s->module, &bias) : NULL;
	raw = elf ? s->u->elf_rawfile(elf, &size) : NULL;
	if (!raw || s->u->elf_getphdrnum(elf, &n_headers) < 0)
		return NULL;
	for (size_t i = 0; i < n_headers; i++) {
		if (!s->u->gelf_getphdr(elf, (int)i, &ph) ||
		    ph.p_type != PT_LOAD || vaddr - ph.p_vaddr >= ph.p_filesz ||
		    n > ph.p_filesz - (vaddr - ph.p_vaddr) ||
		    ph.p_offset > size || ph.p_filesz > size - ph.p_offset)
			continue;
		return (const uint8_t *)raw + ph.p_offset +
		       (vaddr - ph.p_vaddr);
	}
	return NULL;
}

#define PAGE_MASK UINT64_C(4095)

size_t symbols_segments(const struct symbols *s, struct symbols_segment *out,
			size_t most)
{
	size_t n = 0, n_headers = 0;
	GElf_Addr bias;
	GElf_Phdr ph;
	Elf *elf;

	elf = s->module ? s->u->dwfl_module_getelf(s->module, &bias) : NULL;
	if (!elf || s->u->elf_getphdrnum(elf, &n_headers) < 0)
		return 0;
	for (size_t i = 0; i < n_headers && n < most; i++) {
		if (!s->u->gelf_getphdr(elf, (int)i, &ph) ||
		    ph.p_type != PT_LOAD)
			continue;
		out[n++] = (struct symbols_segment){
			.begin = (ph.p_vaddr & ~PAGE_MASK) - s->vaddr,
			.end = ((ph.p_vaddr + ph.p_memsz + PAGE_MASK) &
				~PAGE_MASK) -
			       s->vaddr,
			.file = ph.p_offset & ~PAGE_MASK,
		};
	}
	return n;
}
