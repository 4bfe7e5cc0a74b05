/* Tables about the machine: cpus, kernel modules, internet sockets. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "server/osdata-rows.h"

#define FILE_MAX (64u << 20)

/* /proc/cpuinfo is "key<tabs>: value" lines; a cpu begins at "processor".
 * Splits a line in place; false on one that is neither. */
static bool cpu_line(char *line, char **key, char **value)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return false;
	*colon = 0;
	line[strcspn(line, "\t")] = 0;
	*key = line;
	*value = colon + 1;
	return true;
}

static size_t column_find(const struct osdata_table *t, const char *name)
{
	size_t i = 0;

	while (i < t->n_columns && strcmp(osdata_column(t, i), name))
		i++;
	return i;
}

static void cpu_flush(struct osdata_table *t, const char **row)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		osdata_put(t, row[i] ? row[i] : "");
		row[i] = NULL;
	}
}

/* Cpus of different kinds may have different keys: the columns are those of
 * all of them. */
static void cpu_columns(struct osdata_table *t, const char *text)
{
	char *copy = xstrdup(text), *line, *rest = copy, *key, *value;

	while ((line = strtok_r(rest, "\n", &rest)))
		if (cpu_line(line, &key, &value) &&
		    column_find(t, key) == t->n_columns)
			osdata_put_column(t, key);
	free(copy);
}

static void cpu_rows(struct osdata_table *t, char *text)
{
	const char **row = xcalloc(t->n_columns, sizeof(*row));
	char *line, *rest = text, *key, *value;
	bool any = false;

	while ((line = strtok_r(rest, "\n", &rest))) {
		if (!cpu_line(line, &key, &value))
			continue;
		if (any && !strcmp(key, "processor"))
			cpu_flush(t, row);
		any = true;
		row[column_find(t, key)] = value;
	}
	if (any)
		cpu_flush(t, row);
	free(row);
}

void osdata_fill_cpus(struct osdata_table *t)
{
	struct buf text = { 0 };

	if (file_read(&text, FILE_MAX, "/proc/cpuinfo") > 0) {
		cpu_columns(t, text.data);
		if (t->n_columns)
			cpu_rows(t, text.data);
	}
	buf_fini(&text);
}

/* name size uses dependencies status address ... */
static void put_module(struct osdata_table *t, char *line)
{
	char *word[6], *rest = line;

	for (size_t i = 0; i < ARRAY_SIZE(word); i++) {
		word[i] = strtok_r(rest, " ", &rest);
		if (!word[i])
			return;
	}
	for (size_t i = 0; i < 5; i++)
		osdata_put(t, word[i]);
	osdata_putf(t, "%llx", strtoull(word[5], NULL, 16));
}

void osdata_put_modules(struct osdata_table *t, char *text)
{
	char *line, *rest = text;

	osdata_put_columns(t, "name\0size\0num uses\0dependencies\0"
			      "status\0address\0");
	while ((line = strtok_r(rest, "\n", &rest)))
		put_module(t, line);
}

void osdata_fill_modules(struct osdata_table *t)
{
	struct buf text = { 0 };

	file_read(&text, FILE_MAX, "/proc/modules");
	osdata_put_modules(t, buf_str(&text));
	buf_fini(&text);
}

/* include/net/tcp_states.h of the kernel */
static const char *const socket_states[] = {
	"(unknown)",  "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
	"FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
	"CLOSE_WAIT", "LAST_ACK",    "LISTEN",	  "CLOSING",
};

struct socket_file {
	const char *name;
	int family;
	const char *family_name, *protocol;
};

static const struct socket_file socket_files[] = {
	{ "tcp", AF_INET, "INET", "STREAM" },
	{ "udp", AF_INET, "INET", "DGRAM" },
	{ "tcp6", AF_INET6, "INET6", "STREAM" },
	{ "udp6", AF_INET6, "INET6", "DGRAM" },
};

/* The file has the words of the address in hex, each in host order. */
static void put_address(struct osdata_table *t, int family, const char *hex)
{
	char text[INET6_ADDRSTRLEN] = "", digits[9] = "";
	uint32_t words[4] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		memcpy(digits, hex + 8 * i, 8);
		words[i] = strtoul(digits, NULL, 16);
		if (family == AF_INET)
			break;
	}
	inet_ntop(family, words, text, sizeof(text));
	osdata_put(t, text);
}

static void put_socket(struct osdata_table *t, const struct socket_file *f,
		       const char *line)
{
	unsigned local_port, remote_port, state, uid;
	char local[33], remote[33];
	size_t digits = f->family == AF_INET ? 8 : 32;

	if (sscanf(line,
		   "%*d: %32[0-9A-F]:%x %32[0-9A-F]:%x %x "
		   "%*x:%*x %*x:%*x %*x %u",
		   local, &local_port, remote, &remote_port, &state,
		   &uid) != 6 ||
	    strlen(local) != digits || strlen(remote) != digits)
		return;
	put_address(t, f->family, local);
	osdata_putf(t, "%u", local_port);
	put_address(t, f->family, remote);
	osdata_putf(t, "%u", remote_port);
	if (state >= ARRAY_SIZE(socket_states))
		state = 0;
	osdata_put(t, socket_states[state]);
	osdata_put_user(t, uid);
	osdata_put(t, f->family_name);
	osdata_put(t, f->protocol);
}

void osdata_fill_sockets(struct osdata_table *t)
{
	struct buf text = { 0 };
	char *line, *rest;

	osdata_put_columns(t, "local address\0local port\0"
			      "remote address\0remote port\0"
			      "state\0user\0family\0protocol\0");
	for (size_t i = 0; i < ARRAY_SIZE(socket_files); i++) {
		buf_reset(&text);
		if (file_read(&text, FILE_MAX, "/proc/net/%s",
			      socket_files[i].name) <= 0)
			continue;
		rest = text.data;
		while ((line = strtok_r(rest, "\n", &rest)))
			put_socket(t, &socket_files[i], line);
	}
	buf_fini(&text);
}
