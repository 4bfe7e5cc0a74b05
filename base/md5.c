#include "base/md5.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* RFC 1321, 3.4: by how much each round's four steps rotate. */
static const uint8_t rotations[4][4] = {
	{ 7, 12, 17, 22 },
	{ 5, 9, 14, 20 },
	{ 4, 11, 16, 23 },
	{ 6, 10, 15, 21 },
};

void md5_init(struct md5 *m)
{
	*m = (struct md5){
		.state = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 },
	};
}

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	switch (round) {
	case 0:
		return (b & c) | (~b & d);
	case 1:
		return (b & d) | (c & ~d);
	case 2:
		return b ^ c ^ d;
	default:
		return c ^ (b | ~d);
	}
}

/* Which word of the block step i of the round takes. */
static unsigned word_of(unsigned round, unsigned i)
{
	static const uint8_t factor[] = { 1, 5, 3, 7 },
			     first[] = { 0, 1, 5, 0 };

	return (factor[round] * i + first[round]) % 16;
}

static void take_block(struct md5 *m, const uint8_t *block)
{
	uint32_t s[4], w[16], sum;

	memcpy(w, block, sizeof(w));
	memcpy(s, m->state, sizeof(s));
	for (unsigned i = 0; i < 64; i++) {
		unsigned round = i / 16, by = rotations[round][i % 4];
		/* The RFC's table T: 4294967296 times abs(sin(i)). */
		uint32_t t =
			(uint32_t)(uint64_t)(4294967296.0 * fabs(sin(i + 1.0)));

		sum = s[0] + mix(round, s[1], s[2], s[3]) +
		      w[word_of(round, i % 16)] + t;
		s[0] = s[3];
		s[3] = s[2];
		s[2] = s[1];
		s[1] += sum << by | sum >> (32 - by);
	}
	for (unsigned i = 0; i < 4; i++)
		m->state[i] += s[i];
}

void md5_add(struct md5 *m, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n) {
		size_t at = m->bytes % 64, len = 64 - at < n ? 64 - at : n;

		memcpy(m->block + at, p, len);
		m->bytes += len;
		p += len;
		n -= len;
		if (m->bytes % 64 == 0)
			take_block(m, m->block);
	}
}

void md5_end(struct md5 *m, uint8_t digest[static 16])
{
	uint64_t bits = m->bytes * 8;

	md5_add(m, "\x80", 1);
	while (m->bytes % 64 != 56)
		md5_add(m, "", 1);
	md5_add(m, &bits, sizeof(bits));
	memcpy(digest, m->state, 16);
}

int md5_fd(int fd, uint8_t digest[static 16])
{
	uint8_t piece[65536];
	struct md5 m;
	ssize_t n;

	md5_init(&m);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		md5_add(&m, piece, (size_t)n);
	md5_end(&m, digest);
	return n < 0 ? -errno : 0;
}
