/* What the files say that code is of: trace/run.h. */
#include "arch/x86_64/decode.h"
#include "trace/lines.h"
#include "trace/run.h"
#include "trace/symbols.h"

struct symbols *run_symbols(struct run *r, uint32_t object)
{
	struct run_object *o = &r->objects[object];

	if (!o->symbols)
		o->symbols = symbols_new(o->path, o->offset);
	return o->symbols;
}

struct lines *run_lines(struct run *r, uint32_t object)
{
	struct run_object *o = &r->objects[object];

	if (!o->lines)
		o->lines = lines_new(run_symbols(r, object));
	return o->lines;
}

uint64_t run_vaddr(struct run *r, uint64_t place)
{
	uint32_t object = place_object(place);

	if (!object)
		return place;
	return symbols_vaddr(run_symbols(r, object), place_offset(place));
}

/* The instructions of code, or 0 if they are not those of the block. */
static size_t decode(const struct run_block *b, const uint8_t *code,
		     uint64_t places[RUN_PLACES_MAX])
{
	struct x86_instr in;
	uint32_t at = 0;
	size_t n = 0;

	while (at < b->bytes) {
		if (n == RUN_PLACES_MAX ||
		    x86_decode(code + at, b->bytes - at, X86_MODE_64, &in) < 0)
			return 0;
		places[n++] = b->begin + at;
		at += in.length;
	}
	return n == b->instructions && places[n - 1] == b->last ? n : 0;
}

const uint8_t *run_code(struct run *r, uint32_t block)
{
	const struct run_block *b = &r->blocks[block];
	uint32_t object = place_object(b->begin);

	if (!object)
		return b->code;
	return symbols_bytes(run_symbols(r, object), place_offset(b->begin),
			     b->bytes);
}

size_t run_places(struct run *r, uint32_t block,
		  uint64_t places[RUN_PLACES_MAX])
{
	const uint8_t *code = run_code(r, block);
	size_t n = code ? decode(&r->blocks[block], code, places) : 0;

	if (n)
		return n;
	places[0] = r->blocks[block].begin;
	return 1;
}
