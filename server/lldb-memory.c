/* Memory as lldb asks for it: regions, allocations, many ranges at once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "rsp/binary.h"
#include "rsp/frame.h"
#include "server/lldb-maps.h"
#include "server/packet.h"
#include "server/session.h"

/* --- regions ------------------------------------------------------------- */

static void put_region(const struct lldb_region *r, struct buf *out)
{
	buf_printf(out, "start:%" PRIx64 ";size:%" PRIx64 ";", r->start,
		   r->end - r->start);
	if (!r->mapped)
		return;
	buf_puts(out, "permissions:");
	for (const char *c = r->perms; c < r->perms + 3; c++) {
		if (*c != '-')
			buf_putc(out, *c);
	}
	buf_puts(out, ";flags:;");
	if (*r->name) {
		buf_puts(out, "name:");
		buf_put_hex_str(out, r->name);
		buf_putc(out, ';');
	}
}

/* Without an address: is the packet known? */
int pk_memory_region(struct session *s, struct args *a, struct buf *out)
{
	struct lldb_region r;
	uint64_t addr;
	int e;

	if (take_end(a)) {
		buf_puts(out, "OK");
		return REPLY_NOW;
	}
	if (!take_hex(a, &addr) || !take_end(a))
		return -EPROTO;
	e = lldb_region_find(s, addr, &r);
	if (e < 0)
		return e;
	put_region(&r, out);
	return REPLY_NOW;
}

/* --- allocations --------------------------------------------------------- */

/* It goes with the program that it was made for, whatever comes to lie at its
 * address after an exec, or in another process of the same number. */
struct allocation {
	unsigned image;
	uint64_t addr, size;
};

static bool take_protection(struct args *a, uint64_t *prot)
{
	*prot = 0;
	for (; !take_end(a); a->p++) {
		if (*a->p == 'r')
			*prot |= PROT_READ;
		else if (*a->p == 'w')
			*prot |= PROT_WRITE;
		else if (*a->p == 'x')
			*prot |= PROT_EXEC;
		else
			return false;
	}
	return true;
}

static int64_t call(struct session *s, long nr, const uint64_t args[6])
{
	struct thread *th = session_thread(s);
	const struct target_inject_ops *inject = s->target->ops->inject;

	if (!inject || !th)
		return -ENOTSUP;
	if (th->running)
		return -EBUSY;
	return inject->call(s->target, th, nr, args);
}

/* _MSIZE,PERMISSIONS: memory that the process gets. */
int pk_allocate(struct session *s, struct args *a, struct buf *out)
{
	struct allocation all = { .image = session_process(s)->image };
	uint64_t prot;
	int64_t at;

	if (!take_hex(a, &all.size) || !take_char(a, ',') ||
	    !take_protection(a, &prot))
		return -EPROTO;
	at = call(s, SYS_mmap,
		  (uint64_t[6]){ 0, all.size, prot, MAP_PRIVATE | MAP_ANONYMOUS,
				 UINT64_MAX, 0 });
	if (at < 0)
		return err_set(&s->err, (int)at,
			       "cannot allocate %" PRIu64
			       " bytes in the process: %s",
			       all.size, strerror((int)-at));
	all.addr = (uint64_t)at;
	buf_put(&s->lldb.allocations, &all, sizeof(all));
	buf_printf(out, "%016" PRIx64, all.addr);
	return REPLY_NOW;
}

/* Only what was allocated so: another address is a mistake. */
static struct allocation *find_allocation(struct session *s, uint64_t addr)
{
	struct buf *b = &s->lldb.allocations;
	struct allocation *all = (void *)b->data;
	unsigned image = session_process(s)->image;

	for (size_t i = 0; i < b->len / sizeof(*all); i++) {
		if (all[i].image == image && all[i].addr == addr)
			return &all[i];
	}
	return NULL;
}

int pk_deallocate(struct session *s, struct args *a, struct buf *out)
{
	struct buf *b = &s->lldb.allocations;
	struct allocation *found;
	uint64_t addr;
	int64_t r;

	if (!take_hex(a, &addr) || !take_end(a))
		return -EPROTO;
	found = find_allocation(s, addr);
	if (!found)
		return err_set(&s->err, -EINVAL,
			       "Memory not allocated by the debugger.");
	r = call(s, SYS_munmap, (uint64_t[6]){ addr, found->size });
	if (r < 0)
		return (int)r;
	b->len -= sizeof(*found);
	memmove(found, b->data + b->len, sizeof(*found));
	buf_puts(out, "OK");
	return REPLY_NOW;
}

/* --- many at once -------------------------------------------------------- */

/* MultiMemRead:ranges:ADDR,LEN,ADDR,LEN,...;  the reply: LEN,LEN,...;DATA. */
int pk_mem_read_many(struct session *s, struct args *a, struct buf *out)
{
	struct process *p = session_process(s);
	uint64_t addr, len;
	ssize_t n;

	if (!take_name(a, "ranges:"))
		return -EPROTO;
	buf_reset(&s->scratch);
	do {
		if (!take_hex(a, &addr) || !take_char(a, ',') ||
		    !take_hex(a, &len))
			return -EPROTO;
		if (len > RSP_PACKET_MAX || s->scratch.len > RSP_PACKET_MAX)
			len = 0;
		n = len ? target_read(s->target, p, addr,
				      buf_reserve(&s->scratch, len), len)
			: 0;
		s->scratch.len += n > 0 ? (size_t)n : 0;
		buf_printf(out, "%s%zx", out->len ? "," : "",
			   n > 0 ? (size_t)n : 0);
	} while (take_char(a, ',') && !take_end(a));
	if (!take_char(a, ';') || !take_end(a))
		return -EPROTO;
	buf_putc(out, ';');
	buf_put_escaped(out, s->scratch.data, s->scratch.len);
	return REPLY_NOW;
}
