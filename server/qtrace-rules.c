/* Rules at work: what a transformer makes of them, and what their callouts do.
 */
#include "server/qtrace-rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/decode.h"
#include "translate/disassemble.h"
#include "translate/transform.h"

#define REG_PC 16 /* rip's number */

/* --- where a thread has come to one -------------------------------------- */

/* There is a part for the pc, and one for each value. */
static void collected(void *user, const struct collect_hit *hit)
{
	struct rule *r = user;
	struct values v = { .who = hit->who, .rule = r->id, .n = r->n_values };

	for (unsigned i = 0; i < hit->n_parts; i++) {
		const struct collect_part *part = &hit->parts[i];
		unsigned n = part->item - 1;

		if (!part->item)
			memcpy(&v.pc, part->data, sizeof(v.pc));
		else if (part->error)
			v.failed |= 1u << n;
		else
			memcpy(&v.all[n], part->data, sizeof(v.all[n]));
	}
	r->failed += v.failed || hit->error;
	if (hit->error)
		return;
	r->hits++;
	collected_put(&r->q->values, &v);
}

/* What cannot be evaluated does not hold. */
static bool holds(struct rule *r, const struct ax_env *env)
{
	int64_t v;

	if (!r->when)
		return true;
	if (ax_eval(r->when, env, &v) == 0)
		return v;
	r->failed++;
	return false;
}

static void set(struct rule *r, const struct target_hit *h,
		const struct ax_env *env)
{
	int64_t v;

	if (ax_eval(r->values[0], env, &v) < 0)
		r->failed++;
	else
		target_reg_write(h->t, h->th, r->reg, (const uint8_t *)&v);
}

/* One that depends on something is in the code, and is passed by. */
static void skip(const struct rule *r, const struct target_hit *h)
{
	const struct arch *a = h->th->proc->arch;
	struct disassembled insn;
	uint8_t code[16];
	uint64_t pc;

	if (!r->when || target_reg_u64(h->t, h->th, a->pc, &pc) < 0 ||
	    target_read_all(h->t, h->th->proc, pc, code, sizeof(code)) < 0)
		return;
	disassemble(r->q->disassembler, code, sizeof(code), pc, &insn);
	pc += insn.length;
	target_reg_write(h->t, h->th, a->pc, (const uint8_t *)&pc);
}

static void rule_met(void *user, struct target *t, struct thread *th)
{
	struct rule *r = user;
	struct target_hit here = { t, th };
	const struct ax_env env = {
		.reg = target_hit_reg,
		.mem = target_hit_mem,
		.user = &here,
	};

	if (!holds(r, &env))
		return;
	r->hits++;
	if (r->action == ACTION_SET)
		set(r, &here, &env);
	else if (r->action == ACTION_SKIP)
		skip(r, &here);
	else if (r->action == ACTION_STOP)
		translate_callout_stop(t);
}

/* --- which instructions -------------------------------------------------- */

struct looking {
	struct qtrace *q;
	struct transform_insn insn;
	struct disassembled text;
	bool has_text;
};

static const struct disassembled *text_of(struct looking *l)
{
	if (!l->has_text)
		disassemble(l->q->disassembler, l->insn.bytes,
			    l->insn.in->length, l->insn.pc, &l->text);
	l->has_text = true;
	return &l->text;
}

static bool applies(struct looking *l, const struct rule *r, pid_t pid)
{
	if (r->pid && r->pid != pid)
		return false;
	if (r->hi && (l->insn.pc < r->lo || l->insn.pc >= r->hi))
		return false;
	if (r->mnemonic[0] && strcmp(text_of(l)->mnemonic, r->mnemonic))
		return false;
	return !r->group[0] ||
	       disassembled_is(l->q->disassembler, text_of(l), r->group);
}

/* Most takes no stop where that can be. */
static int put_rule(struct transform *it, struct rule *r)
{
	if (r->action == ACTION_COLLECT)
		return transform_collect(it, &r->spec);
	if (r->action == ACTION_COUNT &&
	    transform_count(it, r->when, r->id) == 0)
		return 0;
	if (r->action == ACTION_SET &&
	    transform_set(it, r->when, r->reg, r->values[0], r->id) == 0)
		return 0;
	return transform_callout_if(it, r->when, rule_met, r);
}

/* What has been counted; the rule may be gone. */
static void take_counts(void *user, int id, uint64_t held, uint64_t failed)
{
	struct qtrace *q = user;
	struct rule *r;

	list_each(r, &q->rules, node) {
		if (r->id != id)
			continue;
		r->hits += held;
		r->failed += failed;
	}
}

/* What every one of the instructions gets of all rules. */
static void transform(void *user, struct transform *it)
{
	struct looking l = { .q = user };
	pid_t pid = transform_pid(it);
	struct rule *r;

	while (transform_next(it, &l.insn)) {
		bool keeps = true;

		l.has_text = false;
		list_each(r, &l.q->rules, node) {
			if (!l.insn.ok || !applies(&l, r, pid))
				continue;
			r->left_out += put_rule(it, r) < 0;
			keeps &= r->action != ACTION_SKIP || r->when;
		}
		if (keeps)
			transform_keep(it);
	}
}

static void rules_changed(struct qtrace *q)
{
	bool any = !list_empty(&q->rules);

	if (any && !q->disassembler)
		q->disassembler = disassembler_new();
	translate_on_count(q->target, take_counts, q);
	translate_transform(q->target, any ? transform : NULL, q);
	if (!any)
		translate_on_count(q->target, NULL, NULL);
}

static void specify(struct rule *r)
{
	r->items[0] = (struct collect_item){
		.what = COLLECT_REGISTERS,
		.registers = UINT64_C(1) << REG_PC,
	};
	for (unsigned i = 0; i < r->n_values; i++)
		r->items[i + 1] = (struct collect_item){
			.what = COLLECT_VALUE,
			.code = r->values[i],
		};
	r->spec = (struct collect_spec){
		.id = r->id,
		.when = r->when,
		.items = r->items,
		.n_items = 1 + r->n_values,
		.fn = collected,
		.user = r,
	};
}

void rules_add(struct qtrace *q, struct rule *r)
{
	r->q = q;
	r->id = ++q->last_rule;
	specify(r);
	list_add(&q->rules, &r->node);
	rules_changed(q);
}

void rule_free(struct rule *r)
{
	ax_free(r->when);
	for (unsigned i = 0; i < r->n_values; i++)
		ax_free(r->values[i]);
	free(r);
}

int rules_drop(struct qtrace *q, int id, bool is_probe)
{
	struct rule *r;

	list_each(r, &q->rules, node) {
		if (r->id != id || r->is_probe != is_probe)
			continue;
		list_drop(&r->node);
		rules_changed(q);
		rule_free(r);
		return 0;
	}
	return -ENOENT;
}

void rules_end(struct qtrace *q, bool all)
{
	struct rule *r, *next;
	struct list old;

	list_init(&old);
	list_each_safe(r, next, &q->rules, node) {
		if (!all && !r->pid)
			continue;
		list_drop(&r->node);
		list_add(&old, &r->node);
	}
	if (list_empty(&old))
		return;
	rules_changed(q);
	list_each_safe(r, next, &old, node)
		rule_free(r);
}
