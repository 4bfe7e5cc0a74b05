/* Memory of the selected process: m x M X, search and checksum. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "rsp/binary.h"
#include "rsp/frame.h"
#include "server/packet.h"
#include "server/session.h"

static bool take_range(struct args *a, uint64_t *addr, uint64_t *len)
{
	return take_hex(a, addr) && take_char(a, ',') && take_hex(a, len);
}

/* Reads into the session's scratch buffer; a count or an error. */
static ssize_t read_scratch(struct session *s, uint64_t addr, uint64_t len)
{
	buf_reset(&s->scratch);
	if (trace_is_selected(s))
		return trace_read_memory(s, addr, buf_reserve(&s->scratch, len),
					 len);
	return target_read(s->target, session_process(s), addr,
			   buf_reserve(&s->scratch, len), len);
}

static int cannot_read(struct session *s, uint64_t addr, ssize_t code)
{
	return err_set(&s->err, (int)code, "cannot read memory at 0x%" PRIx64
		       ": %s", addr, strerror((int)-code));
}

int pk_mem_read(struct session *s, struct args *a, struct buf *out)
{
	uint64_t addr, len;
	ssize_t n;

	if (!take_range(a, &addr, &len) || !take_end(a))
		return -EPROTO;
	if (len > RSP_PACKET_MAX / 2)
		len = RSP_PACKET_MAX / 2;
	n = read_scratch(s, addr, len);
	if (n < 0)
		return cannot_read(s, addr, n);
	buf_put_hex(out, s->scratch.data, (size_t)n);
	return REPLY_NOW;
}

/*
 * gdb 16 and lldb 21 read this when the reply begins with b. lldb 19 asks
 * x0,0 first, and takes OK to mean replies of bare data; it does not know
 * binary-upload, so a client that probes gets the bare form.
 */
int pk_mem_read_binary(struct session *s, struct args *a, struct buf *out)
{
	uint64_t addr, len;
	ssize_t n;

	if (!take_range(a, &addr, &len) || !take_end(a))
		return -EPROTO;
	if (!addr && !len) {
		s->bare_binary = !s->client.error_message;
		buf_puts(out, s->bare_binary ? "OK" : "b");
		return REPLY_NOW;
	}
	if (len > RSP_PACKET_MAX - 1)
		len = RSP_PACKET_MAX - 1;
	n = read_scratch(s, addr, len);
	if (n < 0)
		return s->bare_binary ? (int)n : cannot_read(s, addr, n);
	if (!s->bare_binary)
		buf_putc(out, 'b');
	buf_put_escaped(out, s->scratch.data, (size_t)n);
	return REPLY_NOW;
}

static int write_all(struct session *s, uint64_t addr, const char *data,
		     size_t len, struct buf *out)
{
	ssize_t n = 0;

	if (len)
		n = target_write(s->target, session_process(s), addr, data,
				 len);
	if (n < 0)
		return (int)n;
	if ((size_t)n != len)
		return -EFAULT;
	buf_puts(out, "OK");
	return REPLY_NOW;
}

int pk_mem_write(struct session *s, struct args *a, struct buf *out)
{
	uint64_t addr, len;
	char *data;

	if (!take_range(a, &addr, &len) || !take_char(a, ':') ||
	    args_left(a) / 2 != len)
		return -EPROTO;
	buf_reset(&s->scratch);
	data = buf_reserve(&s->scratch, len);
	if (!take_bytes(a, data, len) || !take_end(a))
		return -EPROTO;
	return write_all(s, addr, data, len, out);
}

int pk_mem_write_binary(struct session *s, struct args *a, struct buf *out)
{
	uint64_t addr, len;
	struct args data;

	if (!take_range(a, &addr, &len) || !take_char(a, ':'))
		return -EPROTO;
	data = take_rest(a);
	if (args_left(&data) != len)
		return -EPROTO;
	return write_all(s, addr, data.p, len, out);
}

/* --- search -------------------------------------------------------------- */

#define SEARCH_CHUNK (1u << 20)

/*
 * Chunk by chunk, each with the head of the next so that a match across the
 * border is seen. 1: found at *at; 0: it is nowhere; an error when memory
 * ended before that was sure.
 */
static int search(struct session *s, uint64_t addr, uint64_t len,
		  const struct args *pattern, uint64_t *at)
{
	size_t plen = args_left(pattern);

	while (len >= plen) {
		uint64_t want = SEARCH_CHUNK + plen - 1;
		const char *hit;
		ssize_t n;

		if (want > len)
			want = len;
		n = read_scratch(s, addr, want);
		if (n < 0)
			return (int)n;
		hit = memmem(s->scratch.data, (size_t)n, pattern->p, plen);
		if (hit) {
			*at = addr + (uint64_t)(hit - s->scratch.data);
			return 1;
		}
		if ((uint64_t)n < want)
			return -EFAULT;
		if (want == len)
			break;
		addr += SEARCH_CHUNK;
		len -= SEARCH_CHUNK;
	}
	return 0;
}

int pk_search(struct session *s, struct args *a, struct buf *out)
{
	uint64_t addr, len, at = 0;
	struct args pattern;
	int r;

	if (!take_hex(a, &addr) || !take_char(a, ';') || !take_hex(a, &len) ||
	    !take_char(a, ';') || take_end(a))
		return -EPROTO;
	pattern = take_rest(a);
	r = search(s, addr, len, &pattern, &at);
	if (r < 0)
		return r;
	buf_putc(out, r ? '1' : '0');
	if (r) {
		buf_putc(out, ',');
		buf_put_num(out, at);
	}
	return REPLY_NOW;
}

/* --- checksum ------------------------------------------------------------ */

/* The CRC-32 that the manual gives: 0x04c11db7, most significant bit first,
 * no inversions, from 0xffffffff. */
static void crc_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i << 24;

		for (int bit = 0; bit < 8; bit++)
			c = c & 0x80000000 ? c << 1 ^ 0x04c11db7 : c << 1;
		table[i] = c;
	}
}

int pk_crc(struct session *s, struct args *a, struct buf *out)
{
	uint32_t table[256], crc = 0xffffffff;
	uint64_t addr, len;

	if (!take_range(a, &addr, &len) || !take_end(a))
		return -EPROTO;
	crc_table(table);
	while (len) {
		uint64_t want = len < SEARCH_CHUNK ? len : SEARCH_CHUNK;
		ssize_t n = read_scratch(s, addr, want);

		if (n < (ssize_t)want)
			return -EFAULT;
		for (ssize_t i = 0; i < n; i++)
			crc = crc << 8 ^
			      table[(crc >> 24 ^
				     (uint8_t)s->scratch.data[i]) & 0xff];
		addr += want;
		len -= want;
	}
	buf_putc(out, 'C');
	buf_put_num(out, crc);
	return REPLY_NOW;
}
