/* The other end of a connection, for tests of those who wait for one. */
#ifndef TEST_CONNECT_H
#define TEST_CONNECT_H

#include "rsp/link.h"

/*
 * Calls the peer of COMM (rsp/address.h; TCP or unix). 0, with a link for the
 * caller to free, or a negative errno with text.
 */
int link_connect(struct link **out, const char *comm, struct err *e);

#endif
