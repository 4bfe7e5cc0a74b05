/*
 * A module's block in one thread: tp - OFFSET for blocks that every thread
 * has from birth (static TLS), else through the thread's dtv ("dynamic thread
 * vector"), an array indexed by the module's number. The thread pointer points
 * at { self, dtv, ... } in glibc as in musl.
 */
#include "server/tls.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "server/elf.h"
#include "server/svr4.h"
#include "target/target.h"

#define MODULES_MAX (1u << 20)
#define SLOTS_MAX   1024   /* links of glibc's chain of module tables */
#define MAP_MAX	    0x1000 /* bytes of a struct link_map that are looked at */

struct query {
	struct target *t;
	struct process *p;
	uint64_t tp, lm;
	uint64_t l_addr, l_ld; /* of lm */
	struct err *e;
};

static int words(const struct query *q, uint64_t addr, uint64_t *out, size_t n)
{
	return elf_words_read(q->t, q->p, addr, out, n);
}

static uint64_t add(const struct query *q, uint64_t addr, uint64_t by)
{
	return elf_addr_add(q->p, addr, by);
}

static int no_tls(const struct query *q)
{
	return err_set(q->e, -ENOENT, "no thread-local storage in the %s",
		       q->lm ? "module" : "program");
}

static int not_yet(const struct query *q)
{
	return err_set(q->e, -EAGAIN,
		       "the thread has not allocated this "
		       "module's thread-local storage yet");
}

static int unreadable(const struct query *q, int code, const char *what)
{
	return err_set(q->e, code, "cannot read %s", what);
}

/* The program's block ends at the thread pointer, aligned as its variables'
 * addresses are in the file. */
static int program_block(const struct query *q, const struct elf_tls *tls,
			 uint64_t *block)
{
	uint64_t mask = tls->align ? tls->align - 1 : 0;

	if (!tls->memsz)
		return no_tls(q);
	*block = add(q, q->tp,
		     -(tls->memsz + (-(tls->vaddr + tls->memsz) & mask)));
	return 0;
}

/*
 * glibc. Where struct link_map keeps its TLS fields changes from release to
 * release; since 2.34 libc.so exports descriptors of them for libthread_db:
 * { bits of an element, elements, byte offset }.
 */
struct glibc {
	uint64_t modid, offset; /* the module's number, and tp - block */
	bool has_slots;
	uint64_t slots; /* of _dl_tls_dtv_slotinfo_list, in the linker */
};

static int descriptor_find(const struct elf_image *libc, const char *name,
			   uint64_t *offset)
{
	uint32_t d[3];
	uint64_t at;
	int rc;

	rc = elf_symbol_find(libc, name, &at);
	if (rc >= 0)
		rc = target_read_all(libc->t, libc->p, at, d, sizeof(d));
	if (rc >= 0)
		*offset = d[2];
	return rc;
}

static bool is_libc(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strncmp(slash ? slash + 1 : path, "libc.so", 7);
}

static int libc_find(const struct query *q, struct elf_image *libc)
{
	static const struct svr4_query everything;
	struct svr4_list list;
	size_t i = 0;
	int rc;

	rc = svr4_list(q->t, q->p, &everything, &list);
	while (i < list.n && !is_libc(list.libs[i].name))
		i++;
	if (i < list.n)
		rc = elf_image_loaded(q->t, q->p, list.libs[i].l_addr,
				      list.libs[i].l_ld, libc);
	else if (rc >= 0)
		rc = -ENOENT;
	svr4_list_fini(&list);
	return rc;
}

static int glibc_describe(const struct query *q, const struct elf_image *linker,
			  struct glibc *g)
{
	struct elf_image libc;
	uint64_t modid, offset, slots, global;
	int rc;

	rc = libc_find(q, &libc);
	if (rc >= 0)
		rc = descriptor_find(&libc, "_thread_db_link_map_l_tls_modid",
				     &modid);
	if (rc >= 0)
		rc = descriptor_find(&libc, "_thread_db_link_map_l_tls_offset",
				     &offset);
	if (rc >= 0)
		rc = words(q, add(q, q->lm, modid), &g->modid, 1);
	if (rc >= 0)
		rc = words(q, add(q, q->lm, offset), &g->offset, 1);
	if (rc < 0)
		return rc;

	if (descriptor_find(&libc,
			    "_thread_db_rtld_global__dl_tls_dtv_slotinfo_list",
			    &slots) >= 0 &&
	    elf_symbol_find(linker, "_rtld_global", &global) >= 0)
		g->has_slots =
			words(q, add(q, global, slots), &g->slots, 1) >= 0;
	return 0;
}

/*
 * Without descriptors the fields are found by what they hold: the order of
 * l_tls_initimage, its size, the block's size, its alignment, its first
 * byte's offset, l_tls_offset and l_tls_modid has been the same since 2.3,
 * and the first five are known from the module's program header.
 */
static int glibc_scan(const struct query *q, struct glibc *g)
{
	enum { IMAGE, FILESZ, MEMSZ, ALIGN, FIRST, OFFSET, MODID, N };
	const unsigned word = q->p->arch->word;
	uint64_t v[ELF_WORDS_MAX], want[OFFSET];
	struct elf_image img;
	size_t n = 0;
	int rc;

	rc = elf_image_search(q->t, q->p, q->l_addr, q->l_ld, &img);
	if (rc < 0)
		return unreadable(q, rc, "the module's program headers");
	if (!img.tls.memsz)
		return no_tls(q);
	want[IMAGE] = add(q, img.bias, img.tls.vaddr);
	want[FILESZ] = img.tls.filesz;
	want[MEMSZ] = img.tls.memsz;
	want[ALIGN] = img.tls.align;
	want[FIRST] = img.tls.align ? img.tls.vaddr & (img.tls.align - 1) : 0;

	for (size_t at = 0; at < MAP_MAX; at += (n - N + 1) * word) {
		n = ELF_WORDS_MAX;
		while (n >= N && words(q, q->lm + at, v, n) < 0)
			n--;
		if (n < N)
			break;
		for (size_t i = 0; i + N <= n; i++) {
			if (memcmp(v + i, want, sizeof(want)))
				continue;
			g->offset = v[i + OFFSET];
			g->modid = v[i + MODID];
			return 0;
		}
	}
	return err_set(q->e, -ENOENT,
		       "this C library's link map is not understood");
}

/*
 * The generation in which the module got its number: a dtv that is older
 * holds somebody else's block there. Tables of { length, next, { generation,
 * link map }[] } that continue each other.
 */
static int generation_find(const struct query *q, const struct glibc *g,
			   uint64_t *gen)
{
	const uint64_t word = q->p->arch->word;
	uint64_t table = g->slots, index = g->modid, head[2], slot[2];
	int rc;

	for (size_t i = 0; table && i < SLOTS_MAX; i++) {
		rc = words(q, table, head, 2);
		if (rc < 0)
			return rc;
		if (index < head[0]) {
			rc = words(q, add(q, table, (2 + 2 * index) * word),
				   slot, 2);
			*gen = slot[0];
			return rc < 0 ? rc : slot[1] == q->lm ? 0 : -ENOENT;
		}
		index -= head[0];
		table = head[1];
	}
	return -ENOENT;
}

/* dtv[-1] is its length, dtv[0] its generation, and the rest { block, what to
 * free }, the block -1 where there is none. */
static int glibc_dtv(const struct query *q, const struct glibc *g,
		     uint64_t *block)
{
	const uint64_t word = q->p->arch->word;
	uint64_t dtv, head[4], gen;
	int rc;

	rc = words(q, add(q, q->tp, word), &dtv, 1);
	if (rc >= 0)
		rc = words(q, add(q, dtv, -2 * word), head, ARRAY_SIZE(head));
	if (rc < 0)
		return unreadable(q, rc, "the thread's dtv");
	if (g->modid > head[0])
		return not_yet(q);
	if (g->has_slots && (generation_find(q, g, &gen) < 0 || head[2] < gen))
		return not_yet(q);
	rc = words(q, add(q, dtv, 2 * word * g->modid), block, 1);
	if (rc < 0)
		return unreadable(q, rc, "the thread's dtv");
	return !*block || *block == add(q, 0, -1) ? not_yet(q) : 0;
}

static int glibc_block(const struct query *q, const struct elf_image *linker,
		       uint64_t *block)
{
	struct glibc g = { 0 };
	int rc;

	if (glibc_describe(q, linker, &g) < 0) {
		rc = glibc_scan(q, &g);
		if (rc < 0)
			return rc;
	}
	if (!g.modid)
		return no_tls(q);
	if (g.modid > MODULES_MAX)
		return err_set(q->e, -EFAULT, "not a link map");
	/* 0: not decided yet; -1: decided for dynamic. */
	if (g.offset && g.offset != add(q, 0, -1)) {
		*block = add(q, q->tp, -g.offset);
		return 0;
	}
	return glibc_dtv(q, &g, block);
}

/*
 * musl numbers the modules that have TLS in the order in which they were
 * loaded, which is the list's, and never unloads one. The program is first.
 */
static int musl_count(const struct query *q, const struct svr4_list *list,
		      uint64_t *modid)
{
	struct elf_image img;
	uint64_t map[3];
	bool has;
	int rc;

	rc = words(q, list->main_lm, map, ARRAY_SIZE(map));
	if (rc >= 0)
		rc = elf_image_search(q->t, q->p, map[0], map[2], &img);
	if (rc < 0)
		return unreadable(q, rc, "the program's headers");
	has = img.tls.memsz;
	*modid = has;
	if (list->main_lm == q->lm)
		return has ? 0 : no_tls(q);
	for (size_t i = 0; i < list->n; i++) {
		const struct svr4_lib *l = &list->libs[i];

		rc = elf_image_loaded(q->t, q->p, l->l_addr, l->l_ld, &img);
		has = rc >= 0 && img.tls.memsz;
		*modid += has;
		if (l->lm == q->lm)
			return has ? 0 : no_tls(q);
	}
	return err_set(q->e, -ENOENT, "no such module is loaded");
}

static int musl_modid(const struct query *q, uint64_t *modid)
{
	static const struct svr4_query everything;
	struct svr4_list list;
	int rc;

	rc = svr4_list(q->t, q->p, &everything, &list);
	if (rc < 0)
		unreadable(q, rc, "the list of libraries");
	else
		rc = musl_count(q, &list, modid);
	svr4_list_fini(&list);
	return rc;
}

/* dtv[0] is the number of modules, the rest their blocks. */
static int musl_block(const struct query *q, uint64_t *block)
{
	const uint64_t word = q->p->arch->word;
	uint64_t modid = 0, dtv, count;
	int rc;

	rc = musl_modid(q, &modid);
	if (rc < 0)
		return rc;
	rc = words(q, add(q, q->tp, word), &dtv, 1);
	if (rc >= 0)
		rc = words(q, dtv, &count, 1);
	if (rc >= 0 && modid > count)
		return not_yet(q);
	if (rc >= 0)
		rc = words(q, add(q, dtv, modid * word), block, 1);
	if (rc < 0)
		return unreadable(q, rc, "the thread's dtv");
	return *block ? 0 : not_yet(q);
}

/* Each dynamic linker is known by a symbol that only it exports. */
static int library_block(const struct query *q, uint64_t *block)
{
	struct elf_image linker;
	uint64_t at;
	int rc;

	rc = elf_image_linker(q->t, q->p, &linker);
	if (rc < 0)
		return unreadable(q, rc, "the dynamic linker");
	if (elf_symbol_find(&linker, "_rtld_global", &at) >= 0)
		return glibc_block(q, &linker, block);
	if (elf_symbol_find(&linker, "_dl_debug_addr", &at) >= 0)
		return musl_block(q, block);
	return err_set(q->e, -ENOSYS,
		       "thread-local storage of this C library's"
		       " shared libraries is not known");
}

int tls_address(struct target *t, struct process *p, uint64_t thread_pointer,
		uint64_t lm, uint64_t offset, uint64_t *addr, struct err *e)
{
	struct query q = {
		.t = t, .p = p, .tp = thread_pointer, .lm = lm, .e = e
	};
	struct elf_image program;
	uint64_t map[3], block; /* l_addr, l_name, l_ld */
	int rc;

	if (!thread_pointer)
		return err_set(e, -EAGAIN,
			       "the thread has not set up its "
			       "thread-local storage yet");
	if (lm && elf_words_read(t, p, lm, map, ARRAY_SIZE(map)) < 0)
		return err_set(e, -EFAULT, "no link map at that address");
	rc = elf_image_main(t, p, &program);
	if (rc < 0)
		return unreadable(&q, rc, "the program's headers");
	if (!lm || (program.dynamic && map[2] == program.dynamic)) {
		rc = program_block(&q, &program.tls, &block);
	} else {
		q.l_addr = map[0];
		q.l_ld = map[2];
		rc = library_block(&q, &block);
	}
	if (rc >= 0)
		*addr = add(&q, block, offset);
	return rc;
}
