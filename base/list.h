/*
 * Intrusive, circular, doubly linked list. A head is a struct list of its
 * own; an element embeds one. Invariant: every list, empty or not, is a ring.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* At the tail. */
static inline void list_add(struct list *head, struct list *e)
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

/* Leaves e a ring of one, so dropping twice is harmless. */
static inline void list_drop(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

#define list_entry(node, type, member) \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

/* for every element e (a pointer to the embedding struct) of head */
#define list_each(e, head, member)                               \
	for (e = list_entry((head)->next, __typeof__(*e), member); \
	     &e->member != (head);                                 \
	     e = list_entry(e->member.next, __typeof__(*e), member))

/* the same, and e may be dropped and freed in the body */
#define list_each_safe(e, tmp, head, member)                         \
	for (e = list_entry((head)->next, __typeof__(*e), member),     \
	    tmp = list_entry(e->member.next, __typeof__(*e), member);  \
	     &e->member != (head);                                     \
	     e = tmp,                                                  \
	    tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))

#endif
