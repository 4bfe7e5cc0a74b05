/* Serial devices and fifos, which have one client that is always there. */
#ifndef RSP_DEVICE_H
#define RSP_DEVICE_H

#include "base/err.h"
#include "rsp/link.h"

/* A descriptor that never blocks, or a negative errno with text. */
int device_open(const char *path, struct err *e);

/* No line discipline, no echo, 8 bits; the speed stays as it is. Undone when
 * the link is freed. Harmless where there is no terminal. */
void device_make_raw(struct link *l);

#endif
