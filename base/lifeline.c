#include "base/lifeline.h"

#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

/* What the kernel reads; the offset is from a node to its word. */
static struct robust_list_head head;

/* Nodes may be anybody's to write: this is what counts. */
static struct lifeline **all;
static size_t n_all, cap_all;

/*
 * The kernel follows at most 2048 of them, the first ones. From the last to the
 * first, so that whenever we die every one can be come to.
 */
static void link_all(void)
{
	struct robust_list *next = &head.list;

	for (size_t i = n_all; i-- > 0;) {
		struct robust_list *node = (void *)&all[i]->next;

		__atomic_store_n(&node->next, next, __ATOMIC_SEQ_CST);
		next = node;
	}
	__atomic_store_n(&head.list.next, next, __ATOMIC_SEQ_CST);
}

static void begin_list(void)
{
	static pid_t owner;

	if (owner == getpid())
		return;
	owner = getpid();
	n_all = 0;
	head.list.next = &head.list;
	head.futex_offset = (long)offsetof(struct lifeline, word) -
			    (long)offsetof(struct lifeline, next);
	syscall(SYS_set_robust_list, &head, sizeof(head));
}

void lifeline_begin(struct lifeline *l, uint32_t flags)
{
	begin_list();
	__atomic_store_n(&l->word, (uint32_t)getpid() | flags,
			 __ATOMIC_SEQ_CST);
	GROW(all, n_all, cap_all, 16);
	all[n_all++] = l;
	link_all();
}

bool lifeline_spare(void)
{
	return n_all < 1536;
}

void lifeline_end(struct lifeline *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < n_all; i++) {
		if (all[i] != l)
			all[kept++] = all[i];
	}
	n_all = kept;
	link_all();
}
