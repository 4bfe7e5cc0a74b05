#include "translate/x86_64/section.h"

#include <linux/rseq.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/target.h"
#include "translate/block.h"
#include "translate/hints.h"
#include "translate/layer.h"
#include "translate/x86_64/rewind.h"

#define SECTION_MAX 4096u /* bytes of code; longer ones are not believed */
#define A_WHILE	    2	  /* seconds */

/* ud1 with the C library's RSEQ_SIG as displacement: what stands before abort
 * handlers. The number alone is also in the library's own code. */
static const uint8_t signature[] = { 0x0f, 0xb9, 0x3d, 0x53, 0x30, 0x05, 0x53 };
static const uint8_t number[] = { 0x53, 0x30, 0x05, 0x53 };
/* mov $number, %r10d: an argument of rseq(2), of who only registers an area. */
static const uint8_t argument[] = { 0x41, 0xba };

/* --- which stores -------------------------------------------------------- */

/*
 * Where `what` is, whose byte at that index is seldom seen in code; or NULL.
 * memmem(3) is ten times slower: it looks for any.
 */
static const uint8_t *find(const uint8_t *bytes, const uint8_t *end,
			   const uint8_t *what, size_t len, size_t rare)
{
	const uint8_t *hit = bytes + rare;

	while (hit + (len - rare) <= end &&
	       (hit = memchr(hit, what[rare],
			     (size_t)(end - hit) - (len - rare) + 1))) {
		if (!memcmp(hit - rare, what, len))
			return hit - rare;
		hit++;
	}
	return NULL;
}

static bool holds_signature(const uint8_t *bytes, size_t n)
{
	return find(bytes, bytes + n, signature, sizeof(signature), 1);
}

/* The number, other than as an argument. */
static bool holds_number(const uint8_t *bytes, size_t n)
{
	const size_t before = sizeof(argument);
	const uint8_t *at = bytes;

	while ((at = find(at, bytes + n, number, sizeof(number), 0))) {
		if (at - bytes < (ptrdiff_t)before ||
		    memcmp(at - before, argument, before) != 0)
			return true;
		at++;
	}
	return false;
}

/* The file is read in a quarter of the time that the memory takes, most of
 * which the program has not touched. fd < 0: there is none. */
static ssize_t read_piece(struct space *sp, const struct map_range *r, int fd,
			  uint64_t at, uint8_t *bytes, size_t n)
{
	return fd < 0 ? target_read(sp->tr->lower, sp->by->proc, r->lo + at,
				    bytes, n)
		      : pread(fd, bytes, n, (off_t)(r->offset + at));
}

/* Reads the mapping, piece by piece. */
static bool search_in(struct space *sp, const struct map_range *r, int fd)
{
	uint8_t bytes[32768];
	uint64_t at = 0, size = r->hi - r->lo;
	bool found = false;

	while (at < size && !found) {
		uint64_t want =
			size - at < sizeof(bytes) ? size - at : sizeof(bytes);
		ssize_t n = read_piece(sp, r, fd, at, bytes, want);

		/* What cannot be read of a file may have some. */
		if (n <= 0)
			return n < 0 && fd >= 0;
		found = holds_signature(bytes, (size_t)n);
		/* The next piece begins with what may be cut. */
		at += (uint64_t)n == want && at + want < size
			      ? want - sizeof(signature)
			      : (uint64_t)n;
	}
	return found;
}

/* Of the file as it is, and what of it is mapped. 0: it has changed not long
 * ago, and could again be no other by its times. */
static uint64_t sum_of(const struct map_range *r, int fd)
{
	uint64_t sum = UINT64_C(14695981039346656037); /* FNV-1a */
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || time(NULL) - st.st_ctime < A_WHILE)
		return 0;
	const uint64_t all[] = {
		st.st_dev,	    st.st_ino,		(uint64_t)st.st_size,
		st.st_mtim.tv_sec,  st.st_mtim.tv_nsec, st.st_ctim.tv_sec,
		st.st_ctim.tv_nsec, r->offset,		r->hi - r->lo,
	};
	const uint8_t *bytes = (const void *)all;

	for (size_t i = 0; i < sizeof(all); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(1099511628211);
	return sum;
}

/* Where that was searched before, and nothing was found, it is not again. */
static bool search_once(struct space *sp, const struct map_range *r, int fd)
{
	const uint64_t *plain = hints_plain(sp, r->lo);
	uint64_t sum = plain ? sum_of(r, fd) : 0;

	if (sum && *plain == sum)
		return false;
	if (search_in(sp, r, fd))
		return true;
	if (sum)
		hints_tell_plain(sp, r->lo, sum);
	return false;
}

static int open_range(struct space *sp, const struct map_range *r)
{
	struct target *lower = sp->tr->lower;

	if (!lower->ops->object || !lower->ops->object->open_mapped)
		return -1;
	return lower->ops->object->open_mapped(lower, r->name, r->dev,
					       r->inode);
}

static bool search(struct space *sp, const struct map_range *r)
{
	int fd = open_range(sp, r);
	bool found;

	found = search_once(sp, r, fd);
	if (fd >= 0)
		close(fd);
	return found;
}

/* Has the mapping any abort handlers? Asked once of each. */
static bool range_is_signed(struct space *sp, uint64_t pc)
{
	const struct map_range *r = space_find(sp, pc);
	uint64_t lo = r ? r->lo : 0;
	uintptr_t known;

	if (!r || !(r->flags & RANGE_FILE))
		return false;
	known = (uintptr_t)map_find(&sp->signed_ranges, lo + 1);
	if (!known) {
		known = 1 + search(sp, r);
		map_set(&sp->signed_ranges, lo + 1, (void *)known);
	}
	return known == 2;
}

uint64_t section_file(struct space *sp, uint64_t pc)
{
	const struct map_range *r = space_find(sp, pc);
	uint64_t sum;
	int fd;

	if (!r || !(r->flags & RANGE_FILE) || range_is_signed(sp, pc))
		return 0;
	fd = open_range(sp, r);
	sum = sum_of(r, fd);
	if (fd >= 0)
		close(fd);
	return sum;
}

/* Code with sections, as far as can be told. */
static bool page_has_sections(struct space *sp, const struct code_page *p)
{
	return (p->size > 0 && holds_number(p->bytes, (size_t)p->size)) ||
	       range_is_signed(sp, p->addr);
}

bool section_is_near(struct code_reader *r, const struct insn *i)
{
	if (!code_ask(r, i->pc, page_has_sections))
		return false;
	/* Another process may arm one by it. */
	chain_spoil(r->sp);
	return !map_find(&r->sp->plain_stores, i->pc + 1);
}

/* --- where sections end -------------------------------------------------- */

bool section_ends_at(const struct space *sp, uint64_t pc)
{
	return map_find(&sp->section_ends, pc + 1);
}

static bool end_at(struct space *sp, uint64_t pc)
{
	struct process *p = sp->by->proc;

	if (section_ends_at(sp, pc))
		return true;
	if (point_find(p, POINT_SW, pc, 0) ||
	    target_point_set(sp->tr->lower, p, POINT_SW, pc, 1, NULL) < 0)
		return false;
	map_set(&sp->section_ends, pc + 1, p);
	return true;
}

/*
 * The instruction arms a section, and must be executed where it is, where the
 * kernel knows it. Who comes there from another section, or an abort, arms this
 * one by itself, and is followed from its end.
 */
static void end_not_at(struct space *sp, struct process *p, uint64_t pc)
{
	if (map_find(&sp->section_ends, pc + 1) != p ||
	    process_has_point(sp, pc))
		return;
	map_drop(&sp->section_ends, pc + 1);
	target_point_clear(sp->tr->lower, p, POINT_SW, pc, 1);
}

/* Branches leave it early. */
static void end_at_targets(struct space *sp, uint64_t lo, uint64_t hi)
{
	struct code_reader reader;
	struct insn i;

	code_init(&reader, sp);
	for (uint64_t pc = lo; pc < hi; pc = insn_next(&i)) {
		if (!code_read(&reader, pc, &i))
			return;
		if (i.in.kind != X86_JCC && i.in.kind != X86_JMP &&
		    i.in.kind != X86_LOOP)
			continue;
		if (x86_target(&i.in, pc) - lo >= hi - lo)
			end_at(sp, x86_target(&i.in, pc));
	}
}

static bool end_all(struct space *sp, const struct rseq_cs *cs)
{
	uint64_t lo = cs->start_ip, hi = lo + cs->post_commit_offset;

	if (cs->post_commit_offset > SECTION_MAX || !end_at(sp, hi) ||
	    !end_at(sp, cs->abort_ip))
		return false;
	end_at_targets(sp, lo, hi);
	return true;
}

void sections_end(struct space *sp, struct process *p)
{
	for (size_t i = 0; sp->section_ends.slots && i <= sp->section_ends.mask;
	     i++) {
		uint64_t key = sp->section_ends.slots[i].key;

		if (key && sp->section_ends.slots[i].value == p)
			target_point_clear(sp->tr->lower, p, POINT_SW, key - 1,
					   1);
	}
	map_fini(&sp->section_ends);
}

/* --- what a store does --------------------------------------------------- */

static uint64_t stored_value(const struct insn *i, uint8_t *image)
{
	int32_t imm;

	if (i->in.opcode == 0x89)
		return *image_gpr(image, (i->in.modrm >> 3 &
					  7) | (i->in.rex & X86_REX_R ? 8 : 0));
	memcpy(&imm, i->bytes + i->in.imm_at, sizeof(imm));
	return (uint64_t)(int64_t)imm;
}

/* Is the jump to the region's stub all of the block? There may be padding
 * before it. */
static bool is_only_jump(const struct space *sp, const struct block *b,
			 const struct region *rg, const struct stub *stub)
{
	return sp->regions[b->region] == rg && !b->flag_at &&
	       stub->arg - b->entry <= 4;
}

void section_not(struct space *sp, const struct region *rg,
		 const struct stub *stub)
{
	struct block *b = block_find(sp, stub->pc);

	/* Another thread has been here. */
	if (map_find(&sp->plain_stores, stub->pc + 1))
		return;
	map_set(&sp->plain_stores, stub->pc + 1, sp);
	if (b && is_only_jump(sp, b, rg, stub))
		block_replace(sp, b, stub->arg);
	blocks_drop(sp, stub->pc, stub->pc + 1);
}

enum section_store section_begin(struct space *sp, struct thread *low,
				 uint8_t *image, uint64_t fs_base,
				 struct section *out)
{
	struct target *lower = sp->tr->lower;
	uint64_t pc = *image_reg(image, IMAGE_RIP), area;
	struct code_reader reader;
	struct rseq_cs cs;
	struct insn i;

	code_init(&reader, sp);
	if (!code_read(&reader, pc, &i) || !stores_word(&i) ||
	    lower->ops->inject->rseq_area(lower, low, &area) < 0)
		return SECTION_OTHER;
	if (!area || operand_address(&i, image, fs_base) !=
			     area + offsetof(struct rseq, rseq_cs))
		return SECTION_NONE;
	if (target_read_all(lower, low->proc, stored_value(&i, image), &cs,
			    sizeof(cs)) < 0 ||
	    !end_all(sp, &cs))
		return SECTION_OTHER;
	end_not_at(sp, low->proc, pc);
	*out = (struct section){ cs.start_ip,
				 cs.start_ip + cs.post_commit_offset };
	if (pc < out->lo && out->lo - pc < SECTION_MAX)
		out->lo = pc;
	return SECTION_ARMS;
}
