/*
 * `tracestub gdbserver`: the command line of lldb-server 19's gdbserver mode.
 * lldb starts it by itself for every program (LLDB_DEBUGSERVER_PATH names it)
 * as `gdbserver --fd=N --native-regs --setsid`, and its platform as
 * `gdbserver --pipe N HOST:PORT`.
 */
#ifndef SERVER_LLDB_COMMAND_H
#define SERVER_LLDB_COMMAND_H

#include "server/serve.h"

/* argv[0] is the command's own name. Serves one client, in lldb's manner from
 * the first packet. Returns the exit status: 1 for a mistake in argv, or what
 * cannot be started, as lldb-server has it. */
int lldb_gdbserver_main(char **argv, struct session *s,
			const struct serve_options *serve);

/* Makes s, just initialised, such a session: of one client, in lldb's manner.
 */
void lldb_session(struct session *s);

#endif
