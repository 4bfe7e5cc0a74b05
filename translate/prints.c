#include "translate/prints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/program.h"
#include "base/mem.h"
#include "translate/collects.h"
#include "translate/conditions.h"
#include "translate/layer.h"
#include "translate/x86_64/expression.h"

struct print {
	struct list node; /* in struct space's prints */
	uint64_t pc;
	struct point_code *code;     /* counted */
	struct collector *collector; /* NULL: it could not be compiled */
	bool stays;
};

bool prints_fit(const struct point_code *code)
{
	if (code->told || code->log || code->filter || !code->n_command ||
	    code->n_cond > 1 || !conditions_fit(code))
		return false;
	for (size_t i = 0; i < code->n_command; i++) {
		if (!expression_size_for(code->command[i], EXPRESSION_PRINTS))
			return false;
	}
	return true;
}

static struct print *find(const struct space *sp, uint64_t pc)
{
	struct print *pr;

	list_each(pr, &sp->prints, node) {
		if (pr->pc == pc)
			return pr;
	}
	return NULL;
}

bool prints_at(const struct space *sp, uint64_t pc)
{
	const struct print *pr = sp->tr->has_conditions ? find(sp, pc) : NULL;

	return pr && pr->collector;
}

bool prints_alone_at(const struct space *sp, uint64_t pc)
{
	return prints_at(sp, pc) &&
	       !collector_next(sp, pc, collector_next(sp, pc, NULL));
}

/* --- text ----------------------------------------------------------------- */

/* Strings as they were when the thread came by. */
struct strings {
	const struct ax_format *format;
	const uint64_t *args; /* the first one; the next is below */
	const uint8_t *at;    /* COLLECT_STRING bytes each */
};

static int read_strings(void *user, uint64_t addr, void *buf, size_t len)
{
	const struct strings *s = user;
	const uint8_t *at = s->at;
	uint64_t off;

	for (unsigned i = 0; i < format_args(s->format); i++) {
		if (!format_reads(s->format, i))
			continue;
		off = addr - s->args[-(int)i];
		if (off < COLLECT_STRING) {
			size_t n = COLLECT_STRING - off;

			memset(buf, 0, len);
			memcpy(buf, at + off, n < len ? n : len);
			return 0;
		}
		at += COLLECT_STRING;
	}
	return -EFAULT;
}

static void put(struct translator *tr, const struct ax_format *f,
		const struct collect_part *part, bool console)
{
	uint64_t args[AX_DEPTH_MAX] = { 0 };
	unsigned n = format_args(f);
	struct strings strings = { f, args + (n ? n - 1 : 0),
				   part->data + 8 * (size_t)n };
	const struct ax_env env = { .mem = read_strings, .user = &strings };
	struct buf out = { 0 };

	memcpy(args, part->data, 8 * (size_t)n);
	if (format_put(f, strings.args, &env, AX_PRINT_MAX, &out) == 0 &&
	    tr->t.print)
		tr->t.print(tr->t.print_user, console, buf_str(&out), out.len);
	buf_fini(&out);
}

static void told(struct translator *tr, const struct collector *c,
		 const struct collect_hit *hit)
{
	const struct print *pr = find(c->space, c->spec.pc);
	bool console = pr && pr->code->console;

	tr->stats.prints++;
	for (unsigned i = 0; i < hit->n_parts; i++) {
		const struct collect_part *part = &hit->parts[i];
		const struct ax_program *p = c->spec.items[part->item].code;
		/* addr: of a part without memory, which place it has */
		const struct ax_insn *insn =
			&p->insns[c->places[part->addr].insn];

		/* That an expression has failed, a program can undo. */
		if (!part->error && insn->op == AX_PRINTF)
			put(tr, p->formats[insn->imm], part, console);
	}
}

static void met(struct translator *tr, const struct collector *c,
		struct thread *th)
{
	const struct point *pt = process_point(th->proc, c->spec.pc);

	if (pt)
		target_point_hit(&tr->t, th, pt);
}

static const struct collector_user user = { told, met };

/* --- which there are ------------------------------------------------------ */

static void print_free(struct print *pr)
{
	list_drop(&pr->node);
	point_code_unref(pr->code);
	free(pr);
}

static void drop(struct translator *tr, struct space *sp, struct print *pr)
{
	translate_collect_drain(&tr->t);
	if (pr->collector)
		collector_drop(sp, pr->collector);
	/* Its programs are looked at no more: a dropped one tells nothing. */
	print_free(pr);
}

static void add(struct space *sp, const struct point *pt)
{
	const struct point_code *code = pt->code;
	struct collect_item *items = xcalloc(code->n_command, sizeof(*items));
	const struct collect_spec spec = {
		.pc = pt->addr,
		.when = code->n_cond ? code->cond[0] : NULL,
		.items = items,
		.n_items = (unsigned)code->n_command,
	};
	struct print *pr = xcalloc(1, sizeof(*pr));

	for (size_t i = 0; i < code->n_command; i++)
		items[i] = (struct collect_item){ .what = COLLECT_PRINTS,
						  .code = code->command[i] };
	pr->pc = pt->addr;
	pr->code = pt->code;
	pr->code->refs++;
	pr->stays = true;
	pr->collector = collector_new(sp, &spec);
	pr->collector->user = &user;
	collector_add(sp, pr->collector);
	if (!pr->collector->compiled) {
		collector_drop(sp, pr->collector);
		pr->collector = NULL;
	}
	list_add(&sp->prints, &pr->node);
	free(items);
}

void prints_renew(struct translator *tr, struct process *p)
{
	struct space *sp = space_of(p);
	struct print *pr, *next;
	const struct point *pt;

	if (!sp)
		return;
	sp->by = lower_thread(list_entry(p->threads.next, struct thread, node));
	list_each(pt, &p->points->list, node) {
		if (tr->conditions == CONDITIONS_SERVER || !pt->code ||
		    !prints_fit(pt->code) ||
		    process_has_two_points(p, pt->addr))
			continue;
		pr = find(sp, pt->addr);
		if (pr && pr->code != pt->code) {
			drop(tr, sp, pr);
			pr = NULL;
		}
		if (pr)
			pr->stays = true;
		else
			add(sp, pt);
	}
	list_each_safe(pr, next, &sp->prints, node) {
		if (!pr->stays)
			drop(tr, sp, pr);
		else
			pr->stays = false;
	}
}

void prints_resume(struct translator *tr, const struct resume *acts, size_t n)
{
	struct process *p;

	if (!tr->has_conditions)
		return;
	list_each(p, &tr->t.processes, node) {
		if (target_actions_meet(acts, n, p->pid) && process_is_still(p))
			prints_renew(tr, p);
	}
}

void prints_forget(struct translator *tr, struct process *p, uint64_t pc)
{
	struct space *sp = space_of(p);
	struct print *pr = sp ? find(sp, pc) : NULL;

	if (pr)
		drop(tr, sp, pr);
}

void prints_free(struct space *sp)
{
	struct print *pr, *next;

	list_each_safe(pr, next, &sp->prints, node)
		print_free(pr);
}
