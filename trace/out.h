/* A file that is written to where an option says. */
#ifndef TRACE_OUT_H
#define TRACE_OUT_H

#include <stdbool.h>
#include <stdio.h>

/* "-": stderr, as stdout is the program's. NULL: errno says why. */
FILE *out_open(const char *path);

/* All is written, and it is closed unless it is a standard stream. False: some
 * of it was not, and errno says why. */
bool out_close(FILE *f);

#endif
