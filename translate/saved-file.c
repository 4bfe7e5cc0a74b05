#include "translate/saved-file.h"

#include <cpuid.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/note.h"
#include "base/stash.h"

#define MAGIC	  "tscode1"
#define FILE_MAX  ((size_t)64 << 20)
#define FILES_MAX ((uint64_t)512 << 20) /* bytes of all of them */

const size_t saved_sizes[N_SAVED_PARTS] = {
	[SAVED_CHAINS] = sizeof(struct saved_chain),
	[SAVED_BLOCKS] = sizeof(struct saved_block),
	[SAVED_SITES] = sizeof(struct saved_site),
	[SAVED_RELOCS] = sizeof(struct saved_reloc),
	[SAVED_MARKS] = sizeof(struct saved_mark),
	[SAVED_CACHES] = sizeof(struct saved_cache),
	[SAVED_LANDINGS] = sizeof(struct saved_landing),
	[SAVED_CODE] = 1,
};

/* --- who we are ----------------------------------------------------------- */

/* The program comes first. */
static int find_id(struct dl_phdr_info *info, size_t size, void *out)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const uint8_t *id;
		size_t n;

		if (ph->p_type != PT_NOTE)
			continue;
		id = note_build_id((void *)(info->dlpi_addr + ph->p_vaddr),
				   ph->p_memsz, &n);
		if (id) {
			memcpy(out, id, n < 32 ? n : 32);
			return 1;
		}
	}
	return -1;
}

/* False: it has none, and cannot tell its files from others. */
static bool server_id(uint64_t id[static 4])
{
	memset(id, 0, 32);
	return dl_iterate_phdr(find_id, id) == 1;
}

/* Code is written for these. */
static uint64_t machine(void)
{
	uint64_t sum = getauxval(AT_HWCAP2);
	unsigned a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d))
		sum = sum * 31 + ((uint64_t)a << 32 | c);
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
		sum = sum * 31 + ((uint64_t)b << 32 | c);
	return sum;
}

/* --- sums ----------------------------------------------------------------- */

#define LANES 4

/* Of n bytes, a multiple of 8. Four sums of every fourth word, since one would
 * wait for each product. */
static uint64_t sum_words(uint64_t sum, const void *bytes, size_t n)
{
	const uint64_t prime = UINT64_C(0x9e3779b97f4a7c15);
	const uint64_t *w = bytes;
	uint64_t lanes[LANES] = { sum, sum + 1, sum + 2, sum + 3 };

	n /= sizeof(*w);
	for (size_t i = 0; i < n; i++) {
		uint64_t *lane = &lanes[i % LANES];

		*lane = (*lane ^ w[i]) * prime;
		*lane ^= *lane >> 29;
	}
	for (unsigned i = 0; i < LANES; i++)
		sum = (sum ^ lanes[i]) * prime + i;
	return sum;
}

#define SUMMED offsetof(struct saved_head, server)

static uint64_t sum_of(const struct saved_head *h, const void *const *parts,
		       const size_t *bytes)
{
	uint64_t sum = sum_words(1, &h->server, sizeof(*h) - SUMMED);

	for (unsigned i = 0; i < N_SAVED_PARTS; i++)
		sum = sum_words(sum, parts[i], bytes[i]);
	return sum;
}

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* --- reading -------------------------------------------------------------- */

static bool lay_out(struct saved *k)
{
	size_t at = sizeof(*k->head), bytes[N_SAVED_PARTS];

	for (unsigned i = 0; i < N_SAVED_PARTS; i++) {
		bytes[i] = padded(k->head->n[i] * saved_sizes[i]);
		if (bytes[i] > k->size - at)
			return false;
		k->parts[i] = (const uint8_t *)k->head + at;
		at += bytes[i];
	}
	return at == k->size &&
	       k->head->sum == sum_of(k->head, k->parts, bytes);
}

static bool is_ours(struct saved *k)
{
	uint64_t id[4];

	return !memcmp(k->head->magic, MAGIC, sizeof(MAGIC)) && server_id(id) &&
	       !memcmp(k->head->server, id, sizeof(id)) &&
	       k->head->machine == machine() && lay_out(k);
}

/* All of it is looked at, and a page that is mapped has to be met first: where
 * a hypervisor keeps the tables that takes as long as to copy eight. */
static bool read_file(struct saved *k, int fd, size_t size)
{
	void *all = table_alloc(size);

	k->head = all;
	k->size = size;
	return pread(fd, all, size, 0) == (ssize_t)size && is_ours(k);
}

bool saved_open(struct saved *k, const char *dir, const char *name)
{
	struct stat st;
	int fd = stash_open(dir, name, true, &st);
	bool good = false;

	if (fd < 0)
		return false;
	if ((size_t)st.st_size >= sizeof(*k->head) &&
	    (size_t)st.st_size <= FILE_MAX) {
		stash_touch(fd, &st);
		good = read_file(k, fd, (size_t)st.st_size);
		if (!good)
			saved_close(k);
	}
	close(fd);
	return good;
}

void saved_close(struct saved *k)
{
	table_free((void *)k->head, k->size);
}

/* --- making --------------------------------------------------------------- */

void saved_take(struct saved_new *to, const struct saved *from)
{
	for (unsigned i = 0; i < N_SAVED_PARTS; i++)
		buf_put(&to->parts[i], from->parts[i],
			from->head->n[i] * saved_sizes[i]);
	to->head.lo = from->head->lo;
	to->head.hi = from->head->hi;
}

void saved_new_fini(struct saved_new *k)
{
	for (unsigned i = 0; i < N_SAVED_PARTS; i++)
		buf_fini(&k->parts[i]);
}

static bool write_parts(FILE *f, const void *what)
{
	const struct saved_new *k = what;
	bool good = fwrite(&k->head, sizeof(k->head), 1, f) == 1;

	for (unsigned i = 0; good && i < N_SAVED_PARTS; i++)
		good = !k->parts[i].len ||
		       fwrite(k->parts[i].data, k->parts[i].len, 1, f) == 1;
	return good;
}

/* The head says what there is. How many bytes that is. */
static size_t complete(struct saved_new *k)
{
	const void *parts[N_SAVED_PARTS];
	size_t bytes[N_SAVED_PARTS], all = sizeof(k->head);

	memcpy(k->head.magic, MAGIC, sizeof(MAGIC));
	for (unsigned i = 0; i < N_SAVED_PARTS; i++) {
		struct buf *b = &k->parts[i];

		k->head.n[i] = (uint32_t)(b->len / saved_sizes[i]);
		bytes[i] = padded(b->len);
		buf_put(b, "\0\0\0\0\0\0\0", bytes[i] - b->len);
		parts[i] = b->data;
		all += bytes[i];
	}
	k->head.sum = sum_of(&k->head, parts, bytes);
	return all;
}

int saved_write(struct saved_new *k, const char *dir, const char *name)
{
	struct stash_limit most = { .files = UINT_MAX };
	size_t all;

	if (!server_id(k->head.server))
		return -ENOENT;
	k->head.machine = machine();
	all = complete(k);
	if (all > FILE_MAX)
		return -EFBIG;
	if (stash_make(dir, 0) < 0 || !stash_is_own(dir))
		return -EPERM;
	most.bytes = FILES_MAX - all;
	while (stash_drop_oldest(dir, &most))
		;
	return stash_write(dir, name, 0600, write_parts, k);
}
