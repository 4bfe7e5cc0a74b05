#include "server/svr4.h"

#include <elf.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "server/elf.h"
#include "target/target.h"

#define LIBS_MAX   65536
#define SPACES_MAX 64	       /* glibc has room for 16 namespaces */
#define NAMES_MAX  (16u << 20) /* bytes of all names */
#define NAME_CHUNK 256	       /* most names come with one read */

/* Both records of <link.h>, in words, which holds for either word size. */
enum map_word { L_ADDR, L_NAME, L_LD, L_NEXT, L_PREV, N_MAP };
enum debug_word { R_VERSION, R_MAP, R_BRK, R_STATE, R_LDBASE, R_NEXT };

struct walk {
	struct target *t;
	struct process *p;
	struct svr4_list *out;
	size_t cap;
};

static int number_take(const char **s, uint64_t *out)
{
	const char *start = *s;

	for (*out = 0; hex_digit(**s) >= 0; (*s)++) {
		if (*out >> 60)
			return -EPROTO;
		*out = *out << 4 | (unsigned)hex_digit(**s);
	}
	return *s == start || (**s && **s != ';') ? -EPROTO : 0;
}

int svr4_query_take(const char *annex, struct svr4_query *out)
{
	const struct {
		const char *key;
		uint64_t *value;
	} keys[] = {
		{ "start=", &out->start },
		{ "prev=", &out->prev },
		{ "lmid=", &out->lmid },
	};
	const char *s = annex;

	*out = (struct svr4_query){ 0 };
	while (*s) {
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			size_t len = strlen(keys[i].key);

			if (strncmp(s, keys[i].key, len))
				continue;
			s += len;
			if (number_take(&s, keys[i].value) < 0)
				return -EPROTO;
			break;
		}
		s += strcspn(s, ";");
		s += *s == ';';
	}
	return 0;
}

/*
 * Appends the string at addr with its zero. In chunks that end with a page,
 * so that a name at the end of a mapping is had whole.
 */
static void name_read(struct walk *w, uint64_t addr)
{
	struct buf *names = &w->out->names;
	size_t total = 0, len;
	ssize_t got;
	char *at, *end;

	while (total < PATH_MAX) {
		len = NAME_CHUNK - addr % NAME_CHUNK;
		at = buf_reserve(names, len);
		got = target_read(w->t, w->p, addr, at, len);
		if (got <= 0)
			break;
		end = memchr(at, '\0', got);
		names->len += end ? (size_t)(end - at) : (size_t)got;
		total += got;
		addr += got;
		if (end)
			break;
	}
	buf_putc(names, '\0');
}

/* A library without a name (the program itself, the vDSO) is no library. */
static void lib_add(struct walk *w, const uint64_t *map, uint64_t lm,
		    uint64_t lmid)
{
	struct svr4_list *out = w->out;
	size_t start = out->names.len;

	name_read(w, map[L_NAME]);
	if (out->names.len == start + 1) {
		out->names.len = start;
		return;
	}
	GROW(out->libs, out->n, w->cap, 32);
	out->libs[out->n++] = (struct svr4_lib){
		.lm = lm,
		.l_addr = map[L_ADDR],
		.l_ld = map[L_LD],
		.lmid = lmid,
	};
}

/*
 * Every link map has to point back at the one it was reached from. A ring is
 * thus noticed at its second round; the bound is for lists in motion.
 */
static void maps_walk(struct walk *w, uint64_t lm, uint64_t prev, uint64_t lmid)
{
	uint64_t map[N_MAP];

	for (size_t i = 0; lm && i < LIBS_MAX; i++) {
		if (w->out->n == LIBS_MAX || w->out->names.len > NAMES_MAX)
			break;
		if (elf_words_read(w->t, w->p, lm, map, N_MAP) < 0 ||
		    map[L_PREV] != prev)
			break;
		lib_add(w, map, lm, lmid);
		prev = lm;
		lm = map[L_NEXT];
	}
}

/* The first map of the first namespace is the program. */
static void main_walk(struct walk *w, uint64_t lm, uint64_t lmid)
{
	uint64_t map[N_MAP];

	w->out->main_lm = lm;
	if (lm && elf_words_read(w->t, w->p, lm, map, N_MAP) >= 0)
		maps_walk(w, map[L_NEXT], lm, lmid);
}

static bool seen(const uint64_t *list, size_t n, uint64_t value)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == value)
			return true;
	return false;
}

static void spaces_walk(struct walk *w, uint64_t debug)
{
	uint64_t spaces[SPACES_MAX], r[R_NEXT + 1];
	size_t n = 0;

	while (debug && n < SPACES_MAX && !seen(spaces, n, debug)) {
		/* r_next is there from version 2 on only. */
		if (elf_words_read(w->t, w->p, debug, r, R_NEXT) < 0)
			break;
		if ((int32_t)r[R_VERSION] < 1)
			break;
		if (n == 0)
			main_walk(w, r[R_MAP], debug);
		else
			maps_walk(w, r[R_MAP], 0, debug);
		spaces[n++] = debug;
		if ((int32_t)r[R_VERSION] < 2 ||
		    elf_words_read(w->t, w->p, debug, r, R_NEXT + 1) < 0)
			break;
		debug = r[R_NEXT];
	}
}

/*
 * DT_DEBUG of the program; or, where a dynamic linker was run by hand (`ld.so
 * program`) and is what the kernel knows, that linker's own exported symbol.
 */
static int debug_find(struct target *t, struct process *p, uint64_t *debug)
{
	struct elf_image img;
	uint64_t at;
	int rc;

	rc = elf_image_main(t, p, &img);
	if (rc >= 0 && elf_dynamic_find(&img, DT_DEBUG, debug) >= 0)
		return 0;
	if (rc >= 0)
		rc = elf_symbol_find(&img, "_r_debug", debug);
	if (rc != -ENOENT)
		return rc;
	/* musl exports a pointer to it. */
	rc = elf_symbol_find(&img, "_dl_debug_addr", &at);
	return rc < 0 ? rc : elf_words_read(t, p, at, debug, 1);
}

int svr4_place(struct target *t, struct process *p, uint64_t *at)
{
	struct elf_image img;
	int rc = elf_image_main(t, p, &img);

	if (rc < 0)
		return rc;
	rc = elf_dynamic_place(&img, DT_DEBUG, at);
	return rc == -ENOENT ? elf_symbol_find(&img, "_dl_debug_addr", at) : rc;
}

static void names_link(struct svr4_list *l)
{
	const char *name = l->names.data;

	for (size_t i = 0; i < l->n; i++) {
		l->libs[i].name = name;
		name += strlen(name) + 1;
	}
}

int svr4_list(struct target *t, struct process *p, const struct svr4_query *q,
	      struct svr4_list *out)
{
	struct walk w = { .t = t, .p = p, .out = out };
	uint64_t debug;
	int rc;

	memset(out, 0, sizeof(*out));
	if (q->start) {
		maps_walk(&w, q->start, q->prev, q->lmid);
	} else {
		rc = debug_find(t, p, &debug);
		if (rc < 0)
			return rc;
		spaces_walk(&w, debug);
	}
	names_link(out);
	return 0;
}

void svr4_list_fini(struct svr4_list *l)
{
	free(l->libs);
	buf_fini(&l->names);
	memset(l, 0, sizeof(*l));
}
