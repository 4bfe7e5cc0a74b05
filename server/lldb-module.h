/* A file that can be loaded, as lldb knows it again. */
#ifndef SERVER_LLDB_MODULE_H
#define SERVER_LLDB_MODULE_H

#include <stdbool.h>
#include <stdint.h>

struct lldb_module {
	unsigned word;	       /* bytes of a pointer */
	uint64_t size;	       /* of the file */
	char uuid[2 * 64 + 1]; /* its build id in hex, upper case */
	bool is_sum;	       /* it has none: the file's MD5 stands for it */
};

/* -ENOEXEC: no ELF file of this machine's; or the error of open(2). */
int lldb_module_read(const char *path, struct lldb_module *m);

#endif
