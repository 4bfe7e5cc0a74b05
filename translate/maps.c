/* /proc/PID/maps, and room for regions in it. */
#include "translate/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/search.h"
#include "target/target.h"

#define CHUNK 65536

void maps_fini(struct maps *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->all[i].name);
	free(m->all);
	*m = (struct maps){ 0 };
}

static unsigned flags_of(const char *perms, uint64_t inode)
{
	return (perms[0] == 'r' ? RANGE_R : 0) |
	       (perms[1] == 'w' ? RANGE_W : 0) |
	       (perms[2] == 'x' ? RANGE_X : 0) |
	       (perms[3] == 's' ? RANGE_SHARE : 0) | (inode ? RANGE_FILE : 0);
}

/* The number at *s, and what has to stand behind it. sscanf(3) takes a third of
 * the time in which the kernel writes the line. */
static bool take(const char **s, unsigned base, char end, uint64_t *v)
{
	for (*v = 0;; (*s)++) {
		unsigned digit = (uint8_t)**s - '0';

		if (digit > 9)
			digit = ((uint8_t)**s | 0x20) - 'a' + 10u;
		if (digit >= base)
			break;
		*v = *v * base + digit;
	}
	*s += **s == end;
	return (*s)[-1] == end;
}

static bool take_perms(const char **s, const char **perms)
{
	*perms = *s;
	if (strnlen(*s, 5) < 5 || (*s)[4] != ' ')
		return false;
	*s += 5;
	return true;
}

static void add_line(struct maps *m, const char *s)
{
	struct map_range r = { 0 };
	uint64_t major, minor;
	const char *perms;

	if (!take(&s, 16, '-', &r.lo) || !take(&s, 16, ' ', &r.hi) ||
	    !take_perms(&s, &perms) || !take(&s, 16, ' ', &r.offset) ||
	    !take(&s, 16, ':', &major) || !take(&s, 16, ' ', &minor) ||
	    (!take(&s, 10, ' ', &r.inode) && *s))
		return;
	GROW(m->all, m->n, m->cap, 64);
	r.dev = makedev((unsigned)major, (unsigned)minor);
	r.flags = flags_of(perms, r.inode);
	r.name = xstrdup(s + strspn(s, " "));
	m->all[m->n++] = r;
}

static char *read_text(struct target *t, struct thread *th, ssize_t *error)
{
	size_t n = 0, cap = CHUNK;
	char *text = xmalloc(cap + 1);
	ssize_t r;

	if (!t->ops->object) {
		*error = -ENOTSUP;
		return text;
	}
	do {
		if (n == cap)
			text = xrealloc(text, (cap *= 2) + 1);
		r = t->ops->object->read(t, th, OBJ_MAPS, n, text + n, cap - n);
		n += r > 0 ? (size_t)r : 0;
	} while (r > 0 && n == cap);
	text[n] = 0;
	*error = n ? 0 : r < 0 ? r : -ESRCH;
	return text;
}

int maps_read(struct maps *m, struct target *t, struct thread *th)
{
	ssize_t error;
	char *text = read_text(t, th, &error), *save = NULL, *line;

	if (error) {
		free(text);
		return (int)error;
	}
	maps_fini(m);
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		add_line(m, line);
	free(text);
	return 0;
}

bool maps_imply_exec(struct target *t, struct thread *th)
{
	char text[16] = "";

	return t->ops->object &&
	       t->ops->object->read(t, th, OBJ_PERSONALITY, 0, text,
				    sizeof(text) - 1) > 0 &&
	       strtoul(text, NULL, 16) & READ_IMPLIES_EXEC;
}

const struct map_range *maps_find(const struct maps *m, uint64_t addr)
{
	size_t at = SEARCH_FIRST(m->n, i, addr < m->all[i].hi);

	return at < m->n && addr >= m->all[at].lo ? &m->all[at] : NULL;
}

bool maps_is_ours(const struct map_range *r)
{
	static const char ours[] = "/memfd:tracestub-";

	return r && !strncmp(r->name, ours, sizeof(ours) - 1);
}

bool maps_have(const struct maps *m, uint64_t lo, uint64_t hi, unsigned flags)
{
	for (size_t i = 0; i < m->n && m->all[i].lo < hi; i++) {
		if (m->all[i].hi > lo && m->all[i].flags & flags)
			return true;
	}
	return false;
}

/* --- places -------------------------------------------------------------- */

#define MIB	   (UINT64_C(1) << 20)
#define KEEP_BELOW (512 * MIB) /* for what is mapped downwards, or grows */
#define KEEP_ABOVE (768 * MIB) /* for a heap */
#define LOWEST	   MIB
#define USER_END   (UINT64_C(1) << 47)

/* The first range that meets lo..hi, or NULL. */
static const struct map_range *in_the_way(const struct maps *m, uint64_t lo,
					  uint64_t hi)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->all[i].lo < hi && lo < m->all[i].hi)
			return &m->all[i];
	}
	return NULL;
}

static uint64_t place_below(const struct maps *m, uint64_t pc, uint64_t len)
{
	const struct map_range *r;
	uint64_t at;

	if (pc < KEEP_BELOW + len + LOWEST)
		return 0;
	at = (pc - KEEP_BELOW - len) & -MIB;
	while ((r = in_the_way(m, at, at + len))) {
		if (r->lo < len + LOWEST || pc - (r->lo - len) > MAPS_REACH)
			return 0;
		at = (r->lo - len) & -MIB;
	}
	return at;
}

static uint64_t place_above(const struct maps *m, uint64_t pc, uint64_t len)
{
	uint64_t at = (pc + KEEP_ABOVE) & -MIB;
	const struct map_range *r;

	while ((r = in_the_way(m, at, at + len)))
		at = (r->hi + MIB - 1) & -MIB;
	return at + len - pc <= MAPS_REACH && at + len <= USER_END ? at : 0;
}

uint64_t maps_place(const struct maps *m, uint64_t pc, uint64_t len)
{
	uint64_t at;

	if (pc >= USER_END)
		return 0;
	at = place_below(m, pc, len);
	return at ? at : place_above(m, pc, len);
}

/* Of an executable range, or a part of it: its low 32 bits, which do not wrap.
 */
struct low_bits {
	uint64_t lo, hi;
};

static int by_lo(const void *a, const void *b)
{
	const struct low_bits *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static size_t gather_low_bits(const struct maps *m, struct low_bits *all)
{
	const uint64_t end = UINT64_C(1) << 32;
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct map_range *r = &m->all[i];
		uint64_t lo = r->lo & (end - 1), hi = lo + (r->hi - r->lo);

		if (!(r->flags & RANGE_X) || r->lo >= USER_END)
			continue;
		all[n++] = (struct low_bits){ lo, hi < end ? hi : end };
		if (hi > end)
			all[n++] = (struct low_bits){ 0, hi - end };
	}
	return n;
}

bool maps_share_low_bits(const struct maps *m)
{
	struct low_bits *all = xcalloc(2 * m->n + 1, sizeof(*all));
	size_t n = gather_low_bits(m, all);
	bool shared = false;

	qsort(all, n, sizeof(*all), by_lo);
	for (size_t i = 1; i < n && !shared; i++)
		shared = all[i].lo < all[i - 1].hi;
	free(all);
	return shared;
}
