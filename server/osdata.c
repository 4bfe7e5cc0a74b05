#include "server/osdata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "server/osdata-rows.h"

static void fill_types(struct osdata_table *t);

static const struct {
	const char *name, *type;
	void (*fill)(struct osdata_table *t);
	const char *title, *description;
} types[] = {
	{ "types", "types", fill_types, NULL, NULL },
	{ "cpus", "cpus", osdata_fill_cpus, "CPUs",
	  "Listing of all cpus/cores on the system" },
	{ "files", "files", osdata_fill_files, "File descriptors",
	  "Listing of all file descriptors" },
	{ "modules", "modules", osdata_fill_modules, "Kernel modules",
	  "Listing of all loaded kernel modules" },
	{ "msg", "message queues", osdata_fill_msg, "Message queues",
	  "Listing of all message queues" },
	{ "processes", "processes", osdata_fill_processes, "Processes",
	  "Listing of all processes" },
	{ "procgroups", "process groups", osdata_fill_procgroups,
	  "Process groups", "Listing of all process groups" },
	{ "semaphores", "semaphores", osdata_fill_sem, "Semaphores",
	  "Listing of all semaphores" },
	{ "shm", "shared memory", osdata_fill_shm, "Shared-memory regions",
	  "Listing of all shared-memory regions" },
	{ "sockets", "I sockets", osdata_fill_sockets, "Sockets",
	  "Listing of all internet-domain sockets" },
	{ "threads", "threads", osdata_fill_threads, "Threads",
	  "Listing of all threads" },
};

static void fill_types(struct osdata_table *t)
{
	osdata_put_columns(t, "Type\0Description\0Title\0");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!types[i].title)
			continue;
		osdata_put(t, types[i].name);
		osdata_put(t, types[i].description);
		osdata_put(t, types[i].title);
	}
}

int osdata_read(struct osdata_table *t, const char *name)
{
	if (!*name)
		name = "types";
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].name, name))
			continue;
		osdata_fini(t);
		t->type = types[i].type;
		types[i].fill(t);
		return 0;
	}
	return -ENOENT;
}

void osdata_fini(struct osdata_table *t)
{
	free(t->at);
	buf_fini(&t->text);
	*t = (struct osdata_table){ 0 };
}
