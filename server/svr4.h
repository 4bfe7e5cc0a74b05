/*
 * The list of shared libraries that the debuggee's dynamic linker keeps, for
 * qXfer:libraries-svr4:read (gdb manual, "Library List Format for SVR4
 * Targets"; <link.h>, struct r_debug and struct link_map).
 */
#ifndef SERVER_SVR4_H
#define SERVER_SVR4_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct process;
struct target;

/*
 * The annex: "start=ADDR;prev=ADDR;lmid=ADDR", in any order, every part
 * optional. With a start, only its namespace is listed, from that link map
 * on; prev is the one before it (its l_prev has to agree) and lmid is what
 * the entries will say. Without one, prev and lmid mean nothing.
 */
struct svr4_query {
	uint64_t start, prev, lmid; /* 0: not given */
};

struct svr4_lib {
	const char *name; /* never empty; borrowed from the list */
	uint64_t lm;	  /* address of its struct link_map */
	uint64_t l_addr, l_ld;
	uint64_t lmid; /* address of its namespace's struct r_debug */
};

struct svr4_list {
	uint64_t main_lm; /* the program itself, which libs leaves out; 0 when
			     there is none or the query had a start */
	struct svr4_lib *libs;
	size_t n;
	struct buf names;
};

/* 0, or -EPROTO. Unknown keys are skipped, as gdb expects of a server. */
int svr4_query_take(const char *annex, struct svr4_query *out);

/*
 * Fills *out, which svr4_list_fini() frees whatever is returned. It is empty,
 * and 0 is returned, when the dynamic linker has not made its list yet.
 * -ENOENT: the program has no place for a list (it is static): answer with an
 * error, upon which gdb looks for one through the program's symbols.
 *
 * A list that is damaged, or that a running thread is changing, ends where it
 * stops making sense; what was found until there is returned.
 */
int svr4_list(struct target *t, struct process *p, const struct svr4_query *q,
	      struct svr4_list *out);
void svr4_list_fini(struct svr4_list *l);

/*
 * Where the program keeps the address of its struct r_debug: a word that is 0
 * until the dynamic linker has made one. -ENOENT: there is none.
 */
int svr4_place(struct target *t, struct process *p, uint64_t *at);

#endif
