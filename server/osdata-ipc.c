/* The System V tables: /proc/sysvipc/{shm,sem,msg}, see proc(5). */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "server/osdata-rows.h"

#define FILE_MAX (16u << 20)

/* How a number of the file becomes a cell. */
enum ipc_kind { IPC_TEXT, IPC_COMMAND, IPC_USER, IPC_GROUP, IPC_TIME };

/* In the order of the file, which is that of the table. */
struct ipc_column {
	const char *name;
	enum ipc_kind kind;
};

#define IPC_OWNERS                          \
	{ "user", IPC_USER },               \
	{ "group", IPC_GROUP },             \
	{ "creator user", IPC_USER },       \
	{ "creator group", IPC_GROUP }

static const struct ipc_column shm_columns[] = {
	{ "key", IPC_TEXT },
	{ "shmid", IPC_TEXT },
	{ "permissions", IPC_TEXT },
	{ "size", IPC_TEXT },
	{ "creator command", IPC_COMMAND },
	{ "last op. command", IPC_COMMAND },
	{ "num attached", IPC_TEXT },
	IPC_OWNERS,
	{ "last shmat() time", IPC_TIME },
	{ "last shmdt() time", IPC_TIME },
	{ "last shmctl() time", IPC_TIME },
};

static const struct ipc_column sem_columns[] = {
	{ "key", IPC_TEXT },
	{ "semid", IPC_TEXT },
	{ "permissions", IPC_TEXT },
	{ "num semaphores", IPC_TEXT },
	IPC_OWNERS,
	{ "last semop() time", IPC_TIME },
	{ "last semctl() time", IPC_TIME },
};

static const struct ipc_column msg_columns[] = {
	{ "key", IPC_TEXT },
	{ "msqid", IPC_TEXT },
	{ "permissions", IPC_TEXT },
	{ "num used bytes", IPC_TEXT },
	{ "num messages", IPC_TEXT },
	{ "last msgsnd() command", IPC_COMMAND },
	{ "last msgrcv() command", IPC_COMMAND },
	IPC_OWNERS,
	{ "last msgsnd() time", IPC_TIME },
	{ "last msgrcv() time", IPC_TIME },
	{ "last msgctl() time", IPC_TIME },
};

static void put_time(struct osdata_table *t, const char *text)
{
	time_t when = atoll(text);
	char out[26] = "";

	/* 0 is never. */
	if (when)
		ctime_r(&when, out);
	osdata_put(t, out);
}

static void put_cell(struct osdata_table *t, enum ipc_kind kind,
		     const char *text)
{
	switch (kind) {
	case IPC_TEXT:
		return osdata_put(t, text);
	case IPC_COMMAND:
		return osdata_put_command(t, atoi(text));
	case IPC_USER:
		return osdata_put_user(t, strtoul(text, NULL, 10));
	case IPC_GROUP:
		return osdata_put_group(t, strtoul(text, NULL, 10));
	case IPC_TIME:
		return put_time(t, text);
	}
}

static void put_row(struct osdata_table *t, const struct ipc_column *columns,
		    size_t n, char *line)
{
	char *word, *rest = line;

	for (size_t i = 0; i < n; i++) {
		word = strtok_r(rest, " ", &rest);
		put_cell(t, columns[i].kind, word ? word : "");
	}
}

static void fill(struct osdata_table *t, const char *file,
		 const struct ipc_column *columns, size_t n)
{
	struct buf text = { 0 };
	char *line, *rest;

	for (size_t i = 0; i < n; i++)
		osdata_put_column(t, columns[i].name);
	if (file_read(&text, FILE_MAX, "/proc/sysvipc/%s", file) > 0) {
		/* The first line is the heading. */
		strtok_r(text.data, "\n", &rest);
		while ((line = strtok_r(NULL, "\n", &rest)))
			put_row(t, columns, n, line);
	}
	buf_fini(&text);
}

void osdata_fill_shm(struct osdata_table *t)
{
	fill(t, "shm", shm_columns, ARRAY_SIZE(shm_columns));
}

void osdata_fill_sem(struct osdata_table *t)
{
	fill(t, "sem", sem_columns, ARRAY_SIZE(sem_columns));
}

void osdata_fill_msg(struct osdata_table *t)
{
	fill(t, "msg", msg_columns, ARRAY_SIZE(msg_columns));
}
