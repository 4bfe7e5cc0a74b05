/*
 * What the command lines of lldb-server's modes have in common: options by a
 * table, addresses, the log (lldb-server.cpp's usage, lldb-server 19).
 */
#ifndef SERVER_LLDB_OPTIONS_H
#define SERVER_LLDB_OPTIONS_H

#include <stddef.h>

#include "base/err.h"

struct lldb_option {
	const char *name;     /* one letter: after one dash; else after two */
	const char *arg_name; /* NULL: it takes none */
	size_t at; /* its field: a const char * if there is an argument, else a
		    * bool */
	const char *help; /* NULL: not shown */
};

void lldb_print_options(const struct lldb_option *options, size_t n);

/* Takes **argv, "--NAME=ARG", "--NAME ARG" or "-N", into the field of that
 * option in the struct `into'; arguments are borrowed. -EINVAL: it is none of
 * these, as stderr says. */
int lldb_take_option(const struct lldb_option *options, size_t n, void *into,
		     char ***argv);

/* lldb's forms of an address as ours (rsp/address.h): unix:///PATH,
 * unix-connect://PATH, listen://, connect://, a bare port. For the caller to
 * free. */
char *lldb_comm(const char *text);

/* Each may be NULL. lldb's channels and ours are not the same: its packets are
 * the area of that kind, and any other category is all. */
int lldb_open_log(const char *file, const char *channels, struct err *e);

#endif
