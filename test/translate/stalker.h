/*
 * For tests of the translator's C API: a child of the test's runs one of its
 * functions natively, and another one followed by the translator over a real
 * target; both are to do the same. Include it in the one file of a test.
 *
 * Addresses are the same in the test and in its children.
 */
#ifndef TEST_TRANSLATE_STALKER_H
#define TEST_TRANSLATE_STALKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/x86_64/decode.h"
#include "test/unit/traced.h"
#include "translate/translate.h"

#define V_MAX 16
#define V_END 15 /* set when a child that goes on for long may end */

/* A function of so many instructions, or with labels of its own, in assembler:
 * args in rdi and rsi. */
#define SNIPPET(name, text)                     \
	extern const char name[], name##_end[]; \
	__asm__(".text\n.balign 16\n" #name ":\n" text "\n" #name "_end:\n")

typedef long snippet_fn(volatile long *v, long arg);

static inline long snippet_call(const char *name, volatile long *v, long arg)
{
	return ((snippet_fn *)(uintptr_t)name)(v, arg);
}

#define IN_SNIPPET(name, pc) \
	((pc) >= (uintptr_t)(name) && (pc) < (uintptr_t)(name##_end))

/* Two children and what the first, which ran natively, left behind. */
struct stalker {
	struct traced *d;
	struct process *p; /* the followed one's */
	long native[V_MAX];
};

static inline void stalker_run_natively(struct stalker *s, traced_fn *fn)
{
	struct traced_shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = traced_fork(fn, shared);
	int status;

	shared->v[V_END] = 1;
	shared->go = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	memcpy(s->native, (void *)shared->v, sizeof(s->native));
	munmap(shared, sizeof(*shared));
}

static inline void stalker_attach(struct stalker *s, traced_fn *fn)
{
	s->d = traced_prepare(fn);
	s->d->t = translate_new(s->d->t);
	sigaddset(&s->d->t->pass_signals, SIGCHLD);
	sigaddset(&s->d->t->pass_signals, SIGALRM);
	sigaddset(&s->d->t->pass_signals, SIGURG);
	sigaddset(&s->d->t->pass_signals, SIGUSR1);
	sigaddset(&s->d->t->pass_signals, SIGSEGV);
	traced_attach(s->d);
	s->p = process_find(s->d->t, s->d->pid);
}

/* A child that waits for `go`, attached to and, with a mode, followed; the
 * other has ended. */
static inline struct stalker *stalker_begin(traced_fn *fn, int mode)
{
	struct stalker *s = calloc(1, sizeof(*s));
	struct err e = { 0 };

	stalker_run_natively(s, fn);
	stalker_attach(s, fn);
	if (mode >= 0 && translate_follow(s->d->t, s->p, mode, &e) < 0)
		fail_msg("%s", e.text);
	return s;
}

static inline void stalker_free(struct stalker *s)
{
	traced_end(s->d);
	free(s);
}

/* It runs to its end, which is the native one's. */
static inline void stalker_ends(struct stalker *s)
{
	s->d->shared->v[V_END] = 1;
	s->d->shared->go = 1;
	traced_ends(s->d);
}

/* The same, of one that runs. */
static inline void stalker_exits(struct stalker *s)
{
	struct stop st;

	s->d->shared->v[V_END] = 1;
	st = traced_event(s->d);
	assert_int_equal(st.kind, STOP_EXITED);
	assert_int_equal(st.code, 0);
}

/* Is there memory of ours in it, or, with an address, is that there? */
static inline bool stalker_has_ours(pid_t pid, uint64_t addr)
{
	char path[64], line[4096];
	unsigned long lo, hi;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, "tracestub") &&
			 sscanf(line, "%lx-%lx", &lo, &hi) == 2 &&
			 (!addr || (addr >= lo && addr < hi));
	if (f)
		fclose(f);
	return found;
}

static inline void stalker_same(struct stalker *s)
{
	for (unsigned i = 0; i < V_MAX; i++)
		assert_int_equal(s->d->shared->v[i], s->native[i]);
}

/* It was run from translated code, and by nothing else. */
static inline void stalker_followed(struct stalker *s)
{
	const struct translate_stats *st = translate_stats(s->d->t);

	assert_true(st->blocks > 10);
	assert_int_equal(st->refused, 0);
}

static inline uint64_t stalker_reg(struct target *t, struct thread *th,
				   const char *name)
{
	const struct arch *a = th->proc->arch;
	uint64_t v;

	for (unsigned i = 0; i < a->n_regs; i++) {
		if (strcmp(a->regs[i].name, name) != 0)
			continue;
		assert_int_equal(target_reg_u64(t, th, i, &v), 0);
		return v;
	}
	fail_msg("no register %s", name);
	return 0;
}

static inline void stalker_set_reg(struct target *t, struct thread *th,
				   const char *name, uint64_t v)
{
	const struct arch *a = th->proc->arch;

	for (unsigned i = 0; i < a->n_regs; i++) {
		if (!strcmp(a->regs[i].name, name)) {
			assert_int_equal(target_reg_write(t, th, i, &v), 0);
			return;
		}
	}
	fail_msg("no register %s", name);
}

#endif
