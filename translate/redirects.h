/* What compiling has to know of redirections: private to translate/. */
#ifndef TRANSLATE_REDIRECTS_H
#define TRANSLATE_REDIRECTS_H

#include <stdbool.h>
#include <stdint.h>

struct space;

/* Are there any? */
bool redirects(const struct space *sp);
/* Does a block have to begin there? */
bool redirect_is_at(const struct space *sp, uint64_t pc);
/* Where whoever comes to pc goes on: maybe there. */
uint64_t redirect_of(struct space *sp, uint64_t pc);

#endif
