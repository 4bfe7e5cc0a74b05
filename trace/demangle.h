/* Names of C++ as they stand in the source, by the demangler that comes with
 * the runtime of C++ (Itanium C++ ABI, 3.4: __cxa_demangle). */
#ifndef TRACE_DEMANGLE_H
#define TRACE_DEMANGLE_H

/* The caller's; what is behind an @, as of stubs, stays. NULL: it is no such
 * name, or there is no demangler here. */
char *demangle(const char *name);

#endif
