/* What followed programs execute, told to a run (trace/story.h): the sink of
 * translate/flow.h. */
#ifndef TRACE_FEED_H
#define TRACE_FEED_H

#include "trace/story.h"
#include "translate/flow.h"

struct feed {
	struct story *run;	   /* borrowed */
	struct feed_image *images; /* by number */
	uint32_t cap_images;
	const struct story_thread *last; /* whose blocks were told last */
	int64_t done;			 /* ... and when that was over */
};

/* f is zeroed by it; the sink is for translate_set_flow(). */
void feed_init(struct feed *f, struct story *r, struct flow_sink *sink);
void feed_fini(struct feed *f);

#endif
