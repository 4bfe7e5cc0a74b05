/*
 * Rules: what is to happen where code of a kind is executed. A call probe is
 * one too. They belong to a session; those for addresses are of one process.
 * Private to server/qtrace*.c.
 */
#ifndef SERVER_QTRACE_RULES_H
#define SERVER_QTRACE_RULES_H

#include "agent/ax.h"
#include "base/list.h"
#include "server/qtrace.h"
#include "translate/collect.h"

enum action {
	ACTION_COUNT,
	ACTION_COLLECT,
	ACTION_SKIP,
	ACTION_STOP,
	ACTION_SET,
};

struct rule {
	struct list node; /* in the order of their numbers */
	struct qtrace *q;
	int id;
	bool is_probe;
	pid_t pid;		      /* of addresses; 0: of all */
	uint64_t lo, hi;	      /* addresses; hi 0: any */
	char mnemonic[32], group[32]; /* "": any */
	enum action action;
	unsigned reg; /* its number: ACTION_SET */
	char reg_name[16];
	struct ax_program *when; /* NULL: always; owned, as are the others */
	struct ax_program *values[VALUES_MAX];
	unsigned n_values;
	/* What a collection is, in which the pc comes before the values. */
	struct collect_spec spec;
	struct collect_item items[VALUES_MAX + 1];
	uint64_t hits;	   /* `when` held */
	uint64_t failed;   /* ... or could not be evaluated, or a value */
	uint64_t left_out; /* instructions: there is too much in a block */
};

/* Owned by the session from now on; it has a number. */
void rules_add(struct qtrace *q, struct rule *r);
/* -ENOENT: there is none of that number and kind. */
int rules_drop(struct qtrace *q, int id, bool is_probe);
void rule_free(struct rule *r);

#endif
