/* The debuggers' scripts of client/, which the server has in itself, so that
 * whoever is connected can load the one that fits. */
#ifndef SERVER_SCRIPTS_H
#define SERVER_SCRIPTS_H

extern const char script_gdb[], script_lldb[]; /* text, zero-terminated */

#endif
