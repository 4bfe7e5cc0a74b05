/* Prints doc/packets.md: `make doc'. */
#include <stdio.h>

#include "server/packet.h"

int main(void)
{
	struct buf out = { 0 };

	packets_print(&out);
	fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
	return ferror(stdout) != 0;
}
