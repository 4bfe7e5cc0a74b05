/* What the files say that code is of: trace/story.h. */
#include "arch/x86_64/decode.h"
#include "trace/lines.h"
#include "trace/story.h"
#include "trace/symbols.h"

struct symbols *story_symbols(struct story *r, uint32_t object)
{
	struct story_object *o = &r->objects[object];

	if (!o->symbols)
		o->symbols = symbols_new(o->path, o->offset);
	return o->symbols;
}

struct lines *story_lines(struct story *r, uint32_t object)
{
	struct story_object *o = &r->objects[object];

	if (!o->lines)
		o->lines = lines_new(story_symbols(r, object));
	return o->lines;
}

uint64_t story_vaddr(struct story *r, uint64_t place)
{
	uint32_t object = place_object(place);

	if (!object)
		return place;
	return symbols_vaddr(story_symbols(r, object), place_offset(place));
}

/* The instructions of code, or 0 if they are not those of the block. */
static size_t decode(const struct story_block *b, const uint8_t *code,
		     uint64_t places[STORY_PLACES_MAX])
{
	struct x86_instr in;
	uint32_t at = 0;
	size_t n = 0;

	while (at < b->bytes) {
		if (n == STORY_PLACES_MAX ||
		    x86_decode(code + at, b->bytes - at, X86_MODE_64, &in) < 0)
			return 0;
		places[n++] = b->begin + at;
		at += in.length;
	}
	if (!b->instructions)
		return n;
	return n == b->instructions && places[n - 1] == b->last ? n : 0;
}

const uint8_t *story_code(struct story *r, uint32_t block)
{
	const struct story_block *b = &r->blocks[block];
	uint32_t object = place_object(b->begin);

	if (!object)
		return b->code;
	return symbols_bytes(story_symbols(r, object), place_offset(b->begin),
			     b->bytes);
}

size_t story_places(struct story *r, uint32_t block,
		    uint64_t places[STORY_PLACES_MAX])
{
	const uint8_t *code = story_code(r, block);
	size_t n = code ? decode(&r->blocks[block], code, places) : 0;

	if (n)
		return n;
	places[0] = r->blocks[block].begin;
	return 1;
}
