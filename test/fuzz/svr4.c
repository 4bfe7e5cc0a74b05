/*
 * Library lists and thread-local addresses of a debuggee whose memory is the
 * input: it lies at BASE, and the aux vector is its beginning. The first byte
 * chooses the word size. What is asked for must end, whatever lies there.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/svr4.h"
#include "server/tls.h"
#include "target/target.h"

#define BASE 0x10000u

struct image {
	struct target t; /* first: the operations get its address */
	const uint8_t *data;
	size_t len;
};

static ssize_t image_read(const struct image *m, uint64_t off, void *buf,
			  size_t len)
{
	if (off >= m->len)
		return -EFAULT;
	if (len > m->len - off)
		len = m->len - off;
	memcpy(buf, m->data + off, len);
	return len;
}

static ssize_t read_mem(struct target *t, struct process *p, uint64_t addr,
			void *buf, size_t len)
{
	(void)p;
	return image_read((struct image *)t, addr - BASE, buf, len);
}

static ssize_t read_object(struct target *t, struct thread *th,
			   enum object what, uint64_t off, void *buf,
			   size_t len)
{
	(void)th;
	(void)what;
	return image_read((struct image *)t, off, buf, len);
}

static const struct target_object_ops objects = { .read = read_object };

static const struct target_ops ops = {
	.name = "image",
	.read_mem = read_mem,
	.object = &objects,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct arch arches[] = { { .word = 8 }, { .word = 4 } };
	struct svr4_query q = { 0 };
	struct svr4_list l;
	struct process *p;
	struct image m;
	struct err e;
	uint64_t addr;

	if (!size)
		return 0;
	m.data = data + 1;
	m.len = size - 1;
	target_init(&m.t, &ops);
	p = process_add(&m.t, 1, &arches[*data & 1]);
	thread_add(&m.t, p, 1);

	svr4_list(&m.t, p, &q, &l);
	for (size_t i = 0; i < l.n; i++)
		if (!*l.libs[i].name)
			abort();
	addr = l.n ? l.libs[l.n - 1].lm : BASE;
	svr4_list_fini(&l);
	tls_address(&m.t, p, BASE, 0, 0, &addr, &e);
	tls_address(&m.t, p, BASE, addr, 0, &addr, &e);
	target_fini(&m.t);
	return 0;
}
