/* Followed in another mode: private to translate/. */
#ifndef TRANSLATE_ANEW_H
#define TRANSLATE_ANEW_H

#include "translate/translate.h"

/* As translate_follow_anew(), of those threads that are followed already, each
 * in its manner: the others stay what they are. */
int followed_anew(struct target *t, struct process *p, enum trace_mode mode,
		  struct err *e);

#endif
