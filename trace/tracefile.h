/*
 * Our own trace file: doc/trace-file.md is its description. Numbers of the
 * head and of frames are little-endian; within frames they are varints: seven
 * bits a byte, the low ones first, the high bit set on all but the last byte.
 */
#ifndef TRACE_TRACEFILE_H
#define TRACE_TRACEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACEFILE_MAGIC	  "tracestub trace\n" /* without the zero */
#define TRACEFILE_VERSION 2

struct tracefile_head {
	char magic[16];
	uint32_t version;
	uint32_t reserved; /* 0 */
};

enum frame_kind {
	FRAME_COMMAND = 1, /* what was run */
	FRAME_OBJECT,
	FRAME_MAPPING,
	FRAME_BLOCKS,
	FRAME_THREAD,
	FRAME_PATH,
	FRAME_END, /* of a thread */
	FRAME_WAYS,
	FRAME_KILLED, /* a process, by a signal */
};

struct frame_head {
	uint32_t kind;
	uint32_t stored; /* bytes that follow */
	uint32_t raw;	 /* ... once decompressed; 0: they are not compressed */
	uint32_t thread; /* of PATH and END */
};

#define FRAME_MAX (1u << 24) /* bytes, raw and stored */

/* Hits in a row: more would be read for hours, and is damage. */
#ifdef HOSTILE
#define HITS_MAX (UINT64_C(1) << 12)
#else
#define HITS_MAX (UINT64_C(1) << 42)
#endif

/* What stands in a path where a miss would. */
enum path_escape {
	ESCAPE_TIME, /* ns since the last one of the frame follow */
	ESCAPE_CUT,  /* instructions follow */
	ESCAPE_LOST,
};

/*
 * A path is runs of hits, each followed by a miss: the predictor's way was
 * wrong. It foretells what came after the two ways before, the last time.
 * Writer and reader have one for each thread.
 */
#define PREDICTOR_BITS 16

struct predictor {
	uint32_t next[1 << PREDICTOR_BITS];
	uint64_t context; /* the way before the last one; the last, above it */
};

static inline uint32_t *predictor_slot(struct predictor *p, uint64_t context)
{
	return &p->next[context * 0x9e3779b97f4a7c15u >> (64 - PREDICTOR_BITS)];
}

static inline uint64_t predictor_moved(uint64_t context, uint32_t way)
{
	return context >> 32 | (uint64_t)way << 32;
}

static inline uint32_t predictor_last(uint64_t context)
{
	return (uint32_t)(context >> 32);
}

static inline uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

#define VARINT_MAX 10 /* bytes of one */

/* Bytes that are being read; those of a file may be anything. */
struct span_reader {
	const uint8_t *at, *end;
	bool bad; /* it was at its end, or is no number */
};

static inline uint64_t take_varint(struct span_reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	r->bad = true;
	return 0;
}

#endif
