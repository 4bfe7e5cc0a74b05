/*
 * JSON as it is read: by json-c, which is loaded when lldb sends the first such
 * packet. Without it (-ENOTSUP) lldb goes on with packets that need none.
 */
#ifndef SERVER_LLDB_JSON_H
#define SERVER_LLDB_JSON_H

#include <stddef.h>

#include "base/err.h"

/* [{"file":PATH,"triple":TRIPLE},...]: fn for each. -EPROTO, with text. */
typedef void lldb_module_fn(void *user, const char *path, const char *triple);
int lldb_json_modules(const char *text, size_t len, lldb_module_fn *fn,
		      void *user, struct err *e);

/* {"breakpoint_requests":["Z0,ADDR,KIND",...]}: fn for each. -EPROTO. */
typedef void lldb_request_fn(void *user, const char *request);
int lldb_json_requests(const char *text, size_t len, lldb_request_fn *fn,
		       void *user, struct err *e);

#endif
