/* LD_PRELOAD shim for the stock gdbserver (and gdb) 13: on CPUs whose XSAVE
   area is larger than the buffer gdb 13 knows (AMX: 11008 bytes), the kernel
   refuses PTRACE_SETREGSET/NT_X86_XSTATE with EFAULT because the buffer is too
   short.  Patch the short image into a full one.  Only to learn what the stock
   server would score on a machine without that trouble.
   build: gcc -O2 -shared -fPIC -o xsave-shim.so xsave-shim.c -ldl
   use:   a wrapper script  exec env LD_PRELOAD=.../xsave-shim.so gdbserver "$@"
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#define GETREGSET 0x4204
#define SETREGSET 0x4205

__attribute__((constructor)) static void init(void)
{
	unsetenv("LD_PRELOAD");
}

long ptrace(int req, ...)
{
	static long (*real)(int, pid_t, void *, void *);
	va_list ap;
	va_start(ap, req);
	pid_t pid = va_arg(ap, pid_t);
	void *addr = va_arg(ap, void *);
	void *data = va_arg(ap, void *);
	va_end(ap);
	if (!real)
		real = dlsym(RTLD_NEXT, "ptrace");
	if (req == SETREGSET && (long)addr == NT_X86_XSTATE && data) {
		struct iovec *v = data, full;
		static char buf[65536];
		full.iov_base = buf;
		full.iov_len = sizeof buf;
		if (real(GETREGSET, pid, addr, &full) == 0 &&
		    full.iov_len > v->iov_len) {
			/* header: keep the state bits of components beyond the
			 * short image */
			unsigned long long had, new;
			memcpy(&had, buf + 512, 8);
			memcpy(&new, (char *)v->iov_base + 512, 8);
			memcpy(buf, v->iov_base, v->iov_len);
			new |= had & ~((1ull << 10) - 1);
			memcpy(buf + 512, &new, 8);
			return real(req, pid, addr, &full);
		}
	}
	return real(req, pid, addr, data);
}
