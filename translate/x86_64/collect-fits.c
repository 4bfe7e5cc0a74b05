/* What can be collected by code, and how long that may be. */
#include "translate/collects.h"

#include "translate/x86_64/expression.h"
#include "translate/x86_64/rewind.h"

/* At most, of each. */
#define BYTES_HIT    320u
#define BYTES_COPIED 240u /* a part that is memory */
#define BYTES_REG    48u

#define GENERAL	     ((UINT64_C(1) << (IMAGE_FLAGS + 1)) - 1)

static bool item_fits(const struct collect_item *i)
{
	switch (i->what) {
	case COLLECT_REGISTERS:
		return !(i->registers & ~GENERAL);
	case COLLECT_MEMORY:
		return i->base <= IMAGE_RIP;
	case COLLECT_VALUE:
		return expression_size(i->code);
	case COLLECT_PRINTS:
		return expression_size_for(i->code, EXPRESSION_PRINTS);
	default:
		return expression_size_for(i->code, EXPRESSION_TRACES);
	}
}

static size_t item_size(const struct collect_item *i)
{
	switch (i->what) {
	case COLLECT_REGISTERS:
		return BYTES_REG * (size_t)__builtin_popcountll(i->registers);
	case COLLECT_MEMORY:
		return BYTES_REG;
	case COLLECT_VALUE:
		return BYTES_REG + expression_size(i->code);
	case COLLECT_PRINTS:
		return BYTES_REG +
		       expression_size_for(i->code, EXPRESSION_PRINTS);
	default:
		return BYTES_REG +
		       expression_size_for(i->code, EXPRESSION_TRACES);
	}
}

size_t collect_size(const struct collector *c)
{
	const struct collect_spec *s = &c->spec;
	size_t size = BYTES_HIT + (s->when ? expression_size(s->when) : 0);

	for (unsigned i = 0; i < s->n_items; i++)
		size += item_size(&s->items[i]);
	for (unsigned i = 0; i < c->n_places; i++)
		size += c->places[i].has_address
				? BYTES_COPIED
				: BYTES_REG + 2 * (size_t)c->places[i].length;
	return size;
}

bool collect_fits(const struct collector *c)
{
	const struct collect_spec *s = &c->spec;

	for (unsigned i = 0; i < s->n_items; i++) {
		if (!item_fits(&s->items[i]))
			return false;
	}
	return (!s->when || expression_size(s->when)) &&
	       collect_size(c) <= COLLECT_CODE_MOST;
}
