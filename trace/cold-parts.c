/*
 * Cold parts that no symbol names. A compiler puts what is hardly ever executed
 * of a function elsewhere, with unwinding data of its own, by which it is known
 * for a part (frames.c). Most go back: a direct jump from there into the midst
 * of a function leads to where it belongs.
 */
#include "arch/x86_64/decode.h"
#include "trace/symbols-list.h"

/* What a jump to there leads back into, + 1; 0: nothing. */
static size_t whole_at(const struct symbol_list *l, uint64_t offset)
{
	const struct symbol *s = symbol_list_find(l, offset);

	if (!s || s->begin == offset || s->part)
		return 0;
	return (size_t)(s - l->all) + 1;
}

static size_t whole_of(const struct symbol_list *l, const struct symbol *part,
		       const uint8_t *code)
{
	size_t size = part->end - part->begin, whole = 0, to;
	struct x86_instr in;

	for (size_t at = 0; at < size; at += in.length) {
		if (x86_decode(code + at, size - at, X86_MODE_64, &in) < 0)
			return 0;
		if (in.kind != X86_JMP && in.kind != X86_JCC)
			continue;
		to = whole_at(l, x86_target(&in, part->begin + at));
		if (to && whole && to != whole)
			return 0;
		whole = to ? to : whole;
	}
	return whole;
}

void symbol_list_join(struct symbol_list *l, const struct symbols *s)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct symbol *part = &l->all[i];
		const uint8_t *code =
			part->part ? symbols_bytes(s, part->begin,
						   part->end - part->begin)
				   : NULL;

		if (code)
			l->whole[i] = (uint32_t)whole_of(l, part, code);
	}
}
