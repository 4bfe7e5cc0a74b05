/* MD5 (RFC 1321), which lldb compares files by; no protection against anyone.
 */
#ifndef BASE_MD5_H
#define BASE_MD5_H

#include <stddef.h>
#include <stdint.h>

struct md5 {
	uint32_t state[4];
	uint64_t bytes;
	uint8_t block[64];
};

void md5_init(struct md5 *m);
void md5_add(struct md5 *m, const void *data, size_t n);
/* m is of no use after that. */
void md5_end(struct md5 *m, uint8_t digest[static 16]);

/* Of what is read from the descriptor to its end; a negative errno. */
int md5_fd(int fd, uint8_t digest[static 16]);

#endif
