#include "base/md5.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* RFC 1321, 3.4: by how much each round's four steps rotate. */
static const uint8_t rotations[4][4] = {
	{ 7, 12, 17, 22 },
	{ 5, 9, 14, 20 },
	{ 4, 11, 16, 23 },
	{ 6, 10, 15, 21 },
};

/* The RFC's table T: 4294967296 times abs(sin(i + 1)). To compute it takes a
 * library, which every server would load. */
static const uint32_t table[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee,
	0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
	0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
	0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
	0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
	0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039,
	0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
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

		sum = s[0] + mix(round, s[1], s[2], s[3]) +
		      w[word_of(round, i % 16)] + table[i];
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
