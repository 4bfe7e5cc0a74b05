#include "tracepoint/frame.h"

#include <endian.h>
#include <string.h>

static void put_16(struct buf *out, uint16_t v)
{
	v = htole16(v);
	buf_put(out, &v, sizeof(v));
}

static void put_32(struct buf *out, uint32_t v)
{
	v = htole32(v);
	buf_put(out, &v, sizeof(v));
}

static void put_64(struct buf *out, uint64_t v)
{
	v = htole64(v);
	buf_put(out, &v, sizeof(v));
}

void frame_begin(struct buf *out, unsigned tracepoint)
{
	buf_reset(out);
	put_16(out, (uint16_t)tracepoint);
	put_32(out, 0);
}

void frame_put_registers(struct buf *out, const void *regs, size_t size)
{
	buf_putc(out, 'R');
	buf_put(out, regs, size);
}

void *frame_reserve_memory(struct buf *out, uint64_t addr, size_t len)
{
	buf_putc(out, 'M');
	put_64(out, addr);
	put_16(out, 0);
	return buf_reserve(out, len);
}

void frame_memory_is(struct buf *out, size_t len)
{
	uint16_t n = htole16((uint16_t)len);

	memcpy(out->data + out->len - sizeof(n), &n, sizeof(n));
	if (len)
		out->len += len;
	else
		out->len -= 1 + sizeof(uint64_t) + sizeof(n);
}

void frame_put_variable(struct buf *out, unsigned number, int64_t value)
{
	buf_putc(out, 'V');
	put_32(out, number);
	put_64(out, (uint64_t)value);
}

void frame_end(struct buf *out)
{
	uint32_t len = htole32((uint32_t)(out->len - FRAME_HEAD));

	memcpy(out->data + 2, &len, sizeof(len));
}

/* --- reading ------------------------------------------------------------- */

static uint64_t number_at(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, bytes);
	return le64toh(v);
}

unsigned frame_tracepoint(const struct frame *f)
{
	return (unsigned)number_at(f->data, 2);
}

static size_t take_memory(const uint8_t *p, size_t left,
			  struct frame_block *out)
{
	if (left < 10)
		return 0;
	out->addr = number_at(p, 8);
	out->len = number_at(p + 8, 2);
	out->data = p + 10;
	return 10 + out->len;
}

static size_t take_variable(const uint8_t *p, size_t left,
			    struct frame_block *out)
{
	if (left < 12)
		return 0;
	out->number = (unsigned)number_at(p, 4);
	out->value = (int64_t)number_at(p + 4, 8);
	return 12;
}

bool frame_next(const struct frame *f, size_t *pos, struct frame_block *out)
{
	size_t at = *pos ? *pos : FRAME_HEAD, n = 0;
	const uint8_t *p;

	if (at >= f->len)
		return false;
	p = f->data + at + 1;
	*out = (struct frame_block){ .type = (char)p[-1] };
	if (out->type == 'R') {
		out->data = p;
		n = out->len = f->regs_size;
	} else if (out->type == 'M') {
		n = take_memory(p, f->len - at - 1, out);
	} else if (out->type == 'V') {
		n = take_variable(p, f->len - at - 1, out);
	}
	*pos = at + 1 + n;
	return n && *pos <= f->len;
}

const uint8_t *frame_registers(const struct frame *f)
{
	struct frame_block b;
	size_t pos = 0;

	while (frame_next(f, &pos, &b)) {
		if (b.type == 'R')
			return b.data;
	}
	return NULL;
}

/* As far as one block goes. */
static size_t memory_piece(const struct frame *f, uint64_t addr, uint8_t *buf,
			   size_t len)
{
	struct frame_block b;
	size_t pos = 0;

	while (frame_next(f, &pos, &b)) {
		uint64_t skip = addr - b.addr;

		if (b.type != 'M' || skip >= b.len)
			continue;
		if (len > b.len - skip)
			len = b.len - skip;
		memcpy(buf, b.data + skip, len);
		return len;
	}
	return 0;
}

size_t frame_memory(const struct frame *f, uint64_t addr, void *buf, size_t len)
{
	size_t done = 0, n;

	do {
		n = memory_piece(f, addr + done, (uint8_t *)buf + done,
				 len - done);
		done += n;
	} while (n && done < len);
	return done;
}

bool frame_variable(const struct frame *f, unsigned number, int64_t *value)
{
	struct frame_block b;
	bool found = false;
	size_t pos = 0;

	while (frame_next(f, &pos, &b)) {
		if (b.type == 'V' && b.number == number) {
			*value = b.value;
			found = true;
		}
	}
	return found;
}
