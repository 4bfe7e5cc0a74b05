/*
 * Signal numbers. The protocol has numbers of its own (include/gdb/signals.def
 * of gdb, frozen), the host has Linux's; targets and handlers speak the
 * host's, packets gdb's.
 */
#ifndef RSP_SIGNAL_H
#define RSP_SIGNAL_H

/* gdb's number for one it has none for; here SIGSTKFLT, and no other. */
#define GDB_SIGNAL_UNKNOWN 143

/* 0 for 0; GDB_SIGNAL_UNKNOWN for a number that is no signal. */
int signal_to_gdb(int host);

/*
 * 0 for 0; -EINVAL when Linux has no such signal. Every host signal comes
 * back as itself from the number signal_to_gdb() gives it.
 */
int signal_from_gdb(int number);

#endif
