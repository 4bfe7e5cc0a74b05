#include "trace/line-tables.h"

#include <dwarf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "trace/plt.h"

/* What is read next of some bytes. Nothing is read behind their end. */
struct reader {
	const uint8_t *at, *end;
	bool bad;
};

struct line_table {
	struct line_tables *of;
	bool wide; /* 64-bit DWARF */
	const uint8_t *names, *program, *end;
	const uint8_t *lengths; /* of standard opcodes, from 1 on */
	uint8_t least, first_opcode, range;
	int8_t base;
	bool statement;
	char **files; /* NULL: not looked at yet */
	uint32_t n_files;
};

enum line_section { LINES, LINE_STRINGS, STRINGS, N_SECTIONS };

struct line_tables {
	const struct elfutils *u;
	int fd;
	struct elf_file file;
	struct section {
		Elf_Scn *scn;
		const uint8_t *data;
		size_t size;
	} sections[N_SECTIONS];
	struct line_table **tables;
	size_t n_tables, cap_tables;
	struct line_sequence *all;
	size_t n, cap;
};

/* --- numbers -------------------------------------------------------------- */

static uint64_t read_number(struct reader *r, unsigned size)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->at) < size) {
		r->bad = true;
		r->at = r->end;
		return 0;
	}
	memcpy(&v, r->at, size);
	r->at += size;
	return v;
}

static inline uint64_t read_leb(struct reader *r, bool is_signed)
{
	uint64_t v = 0;
	unsigned shift = 0;

	while (r->at < r->end) {
		uint8_t byte = *r->at++;

		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (is_signed && shift < 64 && byte & 0x40)
			v |= ~UINT64_C(0) << shift;
		return v;
	}
	r->bad = true;
	return 0;
}

static uint64_t read_offset(struct reader *r, bool wide)
{
	return read_number(r, wide ? 8 : 4);
}

static void read_past(struct reader *r, uint64_t n)
{
	if ((uint64_t)(r->end - r->at) < n)
		r->bad = true;
	r->at = r->bad ? r->end : r->at + n;
}

static const char *read_string(struct reader *r)
{
	const char *s = (const char *)r->at;
	const uint8_t *zero = memchr(r->at, 0, (size_t)(r->end - r->at));

	if (!zero) {
		r->bad = true;
		return NULL;
	}
	r->at = zero + 1;
	return s;
}

/* --- the file ------------------------------------------------------------- */

/* Its bytes, once they are wanted. */
static const struct section *section_of(struct line_tables *t,
					enum line_section which)
{
	struct section *s = &t->sections[which];
	GElf_Shdr sh;
	const Elf_Data *d;

	if (s->data || !s->scn)
		return s;
	if (t->u->gelf_getshdr(s->scn, &sh) && sh.sh_flags & SHF_COMPRESSED &&
	    t->u->elf_compress(s->scn, 0, 0) < 0)
		return s;
	d = t->u->elf_getdata(s->scn, NULL);
	if (d && d->d_buf) {
		s->data = d->d_buf;
		s->size = d->d_size;
	}
	return s;
}

static void find_sections(struct line_tables *t)
{
	static const char *const names[] = {
		[LINES] = ".debug_line",
		[LINE_STRINGS] = ".debug_line_str",
		[STRINGS] = ".debug_str",
	};
	struct elf_section s = { 0 };

	while (elf_section_next(&t->file, &s)) {
		for (unsigned i = 0; i < N_SECTIONS; i++) {
			if (s.header.sh_type == SHT_PROGBITS &&
			    !strcmp(s.name, names[i]))
				t->sections[i].scn = s.scn;
		}
	}
}

/* A file that is linked, at that address. */
static bool lies_at(const struct line_tables *t, uint64_t vaddr)
{
	GElf_Phdr ph;
	size_t n = 0;

	if (t->u->elf_getphdrnum(t->file.elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (t->u->gelf_getphdr(t->file.elf, (int)i, &ph) &&
		    ph.p_type == PT_LOAD)
			return ph.p_vaddr == vaddr;
	}
	return false;
}

/* --- headers -------------------------------------------------------------- */

/* The length of a unit, by which it is known whether it is wide. */
static uint64_t read_length(struct reader *r, bool *wide)
{
	uint64_t n = read_number(r, 4);

	*wide = n == UINT32_MAX;
	return *wide ? read_number(r, 8) : n;
}

static bool read_header(struct line_table *t, struct reader *r)
{
	uint64_t length = read_length(r, &t->wide), behind;

	if (r->bad || length > (uint64_t)(r->end - r->at))
		return false;
	t->end = r->end = r->at + length;
	if (read_number(r, 2) != 5 || read_number(r, 1) != 8 ||
	    read_number(r, 1))
		return false;
	behind = read_offset(r, t->wide);
	if (r->bad || behind > (uint64_t)(r->end - r->at))
		return false;
	t->program = r->at + behind;
	t->least = (uint8_t)read_number(r, 1);
	if (read_number(r, 1) != 1) /* operations of one instruction */
		return false;
	t->statement = read_number(r, 1);
	t->base = (int8_t)read_number(r, 1);
	t->range = (uint8_t)read_number(r, 1);
	t->first_opcode = (uint8_t)read_number(r, 1);
	t->lengths = r->at - 1;
	read_past(r, t->first_opcode ? t->first_opcode - 1u : 0);
	t->names = r->at;
	return !r->bad && t->range && t->first_opcode && t->names <= t->program;
}

/* --- names ---------------------------------------------------------------- */

static const char *string_at(struct line_tables *t, enum line_section which,
			     uint64_t offset)
{
	const struct section *s = section_of(t, which);

	if (offset >= s->size || !memchr(s->data + offset, 0, s->size - offset))
		return NULL;
	return (const char *)s->data + offset;
}

/* What a header says of one thing: a string, or a number. */
struct value {
	const char *text;
	uint64_t number;
};

static struct value read_value(struct line_table *t, struct reader *r,
			       uint64_t form)
{
	struct value v = { 0 };

	if (form == DW_FORM_string)
		v.text = read_string(r);
	else if (form == DW_FORM_line_strp)
		v.text = string_at(t->of, LINE_STRINGS,
				   read_offset(r, t->wide));
	else if (form == DW_FORM_strp)
		v.text = string_at(t->of, STRINGS, read_offset(r, t->wide));
	else if (form == DW_FORM_udata)
		v.number = read_leb(r, false);
	else if (form == DW_FORM_data1)
		v.number = read_number(r, 1);
	else if (form == DW_FORM_data2)
		v.number = read_number(r, 2);
	else if (form == DW_FORM_data4)
		v.number = read_number(r, 4);
	else if (form == DW_FORM_data8)
		v.number = read_number(r, 8);
	else if (form == DW_FORM_data16)
		read_past(r, 16);
	else if (form == DW_FORM_block)
		read_past(r, read_leb(r, false));
	else
		r->bad = true;
	return v;
}

/* A folder or a file. */
struct entry {
	const char *name;
	uint64_t folder;
};

/* Those that come next, and how many; NULL: none. */
static struct entry *read_entries(struct line_table *t, struct reader *r,
				  uint64_t *n)
{
	unsigned n_formats = (unsigned)read_number(r, 1);
	struct reader formats = { r->at, r->end, false }, f;
	struct entry *all;

	for (unsigned i = 0; i < 2 * n_formats; i++)
		read_leb(r, false);
	*n = read_leb(r, false);
	if (r->bad || *n > (uint64_t)(r->end - r->at))
		return *n = 0, NULL;
	all = xcalloc(*n + 1, sizeof(*all));
	for (uint64_t i = 0; i < *n; i++) {
		f = formats;
		for (unsigned k = 0; k < n_formats; k++) {
			uint64_t what = read_leb(&f, false);
			struct value v =
				read_value(t, r, read_leb(&f, false));

			if (what == DW_LNCT_path)
				all[i].name = v.text;
			else if (what == DW_LNCT_directory_index)
				all[i].folder = v.number;
		}
	}
	return all;
}

static char *path_of(const struct entry *e, const struct entry *folders,
		     uint64_t n_folders)
{
	if (!e->name)
		return NULL;
	if (e->name[0] == '/' || e->folder >= n_folders ||
	    !folders[e->folder].name)
		return xstrdup(e->name);
	return xasprintf("%s/%s", folders[e->folder].name, e->name);
}

static void read_names(struct line_table *t)
{
	struct reader r = { t->names, t->program, false };
	uint64_t n_folders, n;
	struct entry *folders = read_entries(t, &r, &n_folders);
	struct entry *files = read_entries(t, &r, &n);

	t->files = xcalloc(n + 1, sizeof(*t->files));
	t->n_files = (uint32_t)n;
	for (uint32_t i = 0; i < t->n_files; i++)
		t->files[i] = path_of(&files[i], folders, n_folders);
	free(folders);
	free(files);
}

const char *line_sequence_file(const struct line_sequence *s, uint32_t file)
{
	struct line_table *t = s->table;

	if (!t->files)
		read_names(t);
	return file < t->n_files ? t->files[file] : NULL;
}

/* --- programs ------------------------------------------------------------- */

struct machine {
	const struct line_table *t;
	struct reader r;
	struct line_step now;
};

static void machine_begin(struct machine *m)
{
	m->now = (struct line_step){ .file = 1,
				     .line = 1,
				     .statement = m->t->statement };
}

/* True: it is a row. */
static bool run_extended(struct machine *m)
{
	uint64_t n = read_leb(&m->r, false);
	const uint8_t *end;

	if (!n || n > (uint64_t)(m->r.end - m->r.at)) {
		m->r.bad = true;
		return false;
	}
	end = m->r.at + n;
	switch (*m->r.at++) {
	case DW_LNE_end_sequence:
		m->now.end = true;
		break;
	case DW_LNE_set_address:
		m->r.bad |= n != 9;
		m->now.address = read_number(&m->r, 8);
		break;
	default:
		break;
	}
	m->r.at = end;
	return m->now.end;
}

static void run_other(struct machine *m, uint8_t op)
{
	for (unsigned i = 0; i < m->t->lengths[op]; i++)
		read_leb(&m->r, false);
}

static void advance(struct machine *m, uint64_t n)
{
	m->now.address += n * m->t->least;
}

static bool run_standard(struct machine *m, uint8_t op)
{
	switch (op) {
	case DW_LNS_copy:
		return true;
	case DW_LNS_advance_pc:
		advance(m, read_leb(&m->r, false));
		break;
	case DW_LNS_advance_line:
		m->now.line += (uint32_t)read_leb(&m->r, true);
		break;
	case DW_LNS_set_file:
		m->now.file = (uint32_t)read_leb(&m->r, false);
		break;
	case DW_LNS_negate_stmt:
		m->now.statement = !m->now.statement;
		break;
	case DW_LNS_const_add_pc:
		advance(m, (255u - m->t->first_opcode) / m->t->range);
		break;
	case DW_LNS_fixed_advance_pc:
		m->now.address += read_number(&m->r, 2);
		break;
	default:
		run_other(m, op);
		break;
	}
	return false;
}

/* Up to the next row; false: there is none. */
static bool machine_run(struct machine *m)
{
	const struct line_table *t = m->t;
	bool is_row = false;

	while (!is_row && m->r.at < m->r.end && !m->r.bad) {
		uint8_t op = *m->r.at++;

		if (op >= t->first_opcode) {
			op -= t->first_opcode;
			advance(m, op / t->range);
			m->now.line += (uint32_t)(t->base + op % t->range);
			is_row = true;
		} else {
			is_row = op ? run_standard(m, op) : run_extended(m);
		}
	}
	return is_row && !m->r.bad;
}

void line_sequence_each(const struct line_sequence *s, line_step_fn *fn,
			void *user)
{
	struct machine m = { s->table, { s->program, s->table->end, false }, { 0 } };

	machine_begin(&m);
	while (machine_run(&m)) {
		fn(user, &m.now);
		if (m.now.end)
			break;
	}
}

/* --- all of them ---------------------------------------------------------- */

static void add_sequence(struct line_tables *t, const struct line_sequence *s)
{
	GROW(t->all, t->n, t->cap, 1024);
	t->all[t->n++] = *s;
}

/* False: something in it is not known. */
static bool find_sequences(struct line_tables *t, struct line_table *of)
{
	struct machine m = { of, { of->program, of->end, false }, { 0 } };
	struct line_sequence s = { .table = of };

	while (m.r.at < m.r.end) {
		s.program = m.r.at;
		machine_begin(&m);
		if (!machine_run(&m))
			break;
		s.begin = m.now.address;
		while (!m.now.end && machine_run(&m))
			;
		s.end = m.now.address;
		if (m.now.end && s.begin < s.end)
			add_sequence(t, &s);
	}
	return !m.r.bad;
}

static int by_begin(const void *a, const void *b)
{
	const struct line_sequence *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->program < y->program ? -1 : x->program > y->program;
}

static struct line_table *add_table(struct line_tables *t)
{
	struct line_table *of = xcalloc(1, sizeof(*of));

	GROW(t->tables, t->n_tables, t->cap_tables, 64);
	t->tables[t->n_tables++] = of;
	of->of = t;
	return of;
}

static bool read_tables(struct line_tables *t)
{
	const struct section *s = section_of(t, LINES);
	const uint8_t *at = s->data, *end = s->data + s->size;

	while (at < end) {
		struct line_table *of = add_table(t);
		struct reader r = { at, end, false };

		if (!read_header(of, &r) || !find_sequences(t, of))
			return false;
		at = of->end;
	}
	if (t->n)
		qsort(t->all, t->n, sizeof(*t->all), by_begin);
	return t->n > 0;
}

struct line_tables *line_tables_new(const char *path, uint64_t vaddr)
{
	struct line_tables *t = xcalloc(1, sizeof(*t));

	t->u = t->file.u = elfutils();
	t->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (t->u && t->fd >= 0)
		t->file.elf = t->u->elf_begin(t->fd, ELF_C_READ_MMAP_PRIVATE,
					      NULL);
	if (t->file.elf && lies_at(t, vaddr)) {
		find_sections(t);
		if (read_tables(t))
			return t;
	}
	line_tables_free(t);
	return NULL;
}

void line_tables_free(struct line_tables *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_tables; i++) {
		for (uint32_t k = 0; k < t->tables[i]->n_files; k++)
			free(t->tables[i]->files[k]);
		free(t->tables[i]->files);
		free(t->tables[i]);
	}
	free(t->tables);
	free(t->all);
	if (t->file.elf)
		t->u->elf_end(t->file.elf);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

const struct line_sequence *line_tables_all(const struct line_tables *t,
					    size_t *n)
{
	*n = t->n;
	return t->all;
}
