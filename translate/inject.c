#include "translate/inject.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "translate/layer.h"

int64_t inject_call(struct space *sp, long nr, const uint64_t args[6])
{
	struct target *lower = sp->tr->lower;

	return lower->ops->inject->call(lower, sp->by, nr, args);
}

int64_t inject_mmap(struct space *sp, uint64_t addr, uint64_t len, int prot,
		    int flags, int fd, uint64_t offset)
{
	uint64_t args[6] = { addr,	     len,
			     (uint64_t)prot, (uint64_t)flags,
			     (uint64_t)fd,   offset };

	return inject_call(sp, SYS_mmap, args);
}

void inject_munmap(struct space *sp, uint64_t addr, uint64_t len)
{
	inject_call(sp, SYS_munmap, (uint64_t[6]){ addr, len });
}

void inject_withhold(struct space *sp, uint64_t addr, uint64_t len)
{
	inject_call(sp, SYS_madvise, (uint64_t[6]){ addr, len, MADV_DONTFORK });
	inject_call(sp, SYS_madvise, (uint64_t[6]){ addr, len, MADV_DONTDUMP });
}

/* A hint for mmap(2) here: where memory of that size could be huge pages. */
static void *huge_place(uint64_t size)
{
	uint8_t *free =
		mmap(NULL, size + HUGE_PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (free == MAP_FAILED)
		return NULL;
	munmap(free, size + HUGE_PAGE);
	return free + (-(uintptr_t)free & (HUGE_PAGE - 1));
}

uint8_t *inject_share(struct space *sp, const char *name, uint64_t size,
		      int *remote, struct err *e)
{
	struct target *lower = sp->tr->lower;
	int fd = lower->ops->share->make(lower, sp->by, name, size, remote, e);
	void *map;

	if (fd < 0)
		return NULL;
	map = mmap(huge_place(size), size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		return map;
	err_set(e, -errno, "cannot map %lu bytes of cache", size);
	inject_call(sp, SYS_close, (uint64_t[6]){ (uint64_t)*remote });
	return NULL;
}

bool inject_failed(int64_t r)
{
	return r < 0 && r > -4096;
}
