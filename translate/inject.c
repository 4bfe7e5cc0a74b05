#include "translate/inject.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "translate/layer.h"

#define NAME_ROOM 32 /* bytes, for the name of any */

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

/* In data of a region that is not used yet. */
static uint64_t room_for_name(const struct space *sp)
{
	const struct region *rg = sp->n_regions ? sp->regions[0] : NULL;
	uint32_t at;

	if (!rg)
		return 0;
	at = rg->trail->layout.data + rg->data_used;
	return at + NAME_ROOM <= rg->trail->layout.size ? rg->addr + at : 0;
}

uint8_t *inject_share_file(struct space *sp, const char *name, uint64_t size,
			   int *remote, int *here, struct err *e)
{
	struct target *lower = sp->tr->lower;
	int fd = lower->ops->share->make(lower, sp->by, name, room_for_name(sp),
					 size, remote, e);
	void *map;

	if (fd < 0)
		return NULL;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*here = fd;
	if (map != MAP_FAILED)
		return map;
	close(fd);
	err_set(e, -errno, "cannot map %lu bytes of cache", size);
	inject_call(sp, SYS_close, (uint64_t[6]){ (uint64_t)*remote });
	return NULL;
}

uint8_t *inject_share(struct space *sp, const char *name, uint64_t size,
		      int *remote, struct err *e)
{
	int here;
	uint8_t *map = inject_share_file(sp, name, size, remote, &here, e);

	if (map)
		close(here);
	return map;
}

bool inject_failed(int64_t r)
{
	return r < 0 && r > -4096;
}
