/*
 * From the cache to saved code and back. Private to translate/.
 */
#ifndef TRANSLATE_X86_64_SAVE_H
#define TRANSLATE_X86_64_SAVE_H

#include "base/map.h"
#include "translate/saved-file.h"
#include "translate/saved.h"
#include "translate/x86_64/compiler.h"

/* A module's code on its way to a file. */
struct saver {
	const struct space *sp;
	const struct saved_module *of;
	uint32_t module;
	uint64_t base, size; /* of the module */
	struct saved_new to; /* what is saved already, at first */
	struct map places;   /* place + 1 -> its block's number + 1 */
};

/* May what is written now be saved, and what was saved be used? */
bool saved_may(const struct space *sp);

/* Is the chain to be saved, and not there yet? */
bool saved_wants(const struct saver *k, const struct region *rg,
		 const struct chain *ch);

/* Adds what the space has and the tables do not: how many blocks. */
uint32_t save_module(struct saver *k);

/* Puts it into the cache, as far as there is room, for the module, of which
 * nothing is there yet: how many blocks. */
uint32_t place_code(struct compiler *c, const struct saved *from,
		    uint32_t module);

#endif
