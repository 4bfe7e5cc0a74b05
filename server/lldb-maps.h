/* What is mapped in a process, one region at a time: of /proc/PID/maps. */
#ifndef SERVER_LLDB_MAPS_H
#define SERVER_LLDB_MAPS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct session;

struct lldb_region {
	uint64_t start, end; /* end 0: of the address space */
	bool mapped;	     /* else it is a hole between two */
	char perms[5];	     /* rwxp */
	uint64_t offset;     /* of the file */
	char name[PATH_MAX]; /* "" for none */
};

/* The one that addr is in, of the selected process. */
int lldb_region_find(struct session *s, uint64_t addr, struct lldb_region *r);

/* The lowest that maps the file. -ENOENT: none does. */
int lldb_region_of(struct session *s, const char *path, struct lldb_region *r);

#endif
