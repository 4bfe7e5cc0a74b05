/* Who may debug here. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "base/err.h"
#include "rsp/link.h"
#include "target/target.h"

/*
 * A client on this machine has to be our own user, root, the owner of what is
 * debugged, or who ran us through sudo (SUDO_UID). One from elsewhere gets
 * here only when the listening address was chosen to allow it. 0, or -EACCES
 * with a text that says why and what lifts it.
 */
int access_check(const struct link *l, const struct target *t, struct err *e);

#endif
