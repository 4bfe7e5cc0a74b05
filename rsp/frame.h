/*
 * Packet framing (gdb manual, "Remote Protocol: Overview"): bytes to payloads
 * and back. Pure: no I/O, no allocation on the way in, no limit taken from
 * the wire.
 *
 *	$payload#ck	a packet; ck is the sum of all bytes between $ and #,
 *			modulo 256, two hex digits
 *	%payload#ck	a notification, never acknowledged
 *	}x		in a payload: the byte x ^ 0x20
 *	c*n		in what a server sends: c, then n - 29 more of it
 *
 * Who escapes. A handler appends text as it is, and binary data by
 * buf_put_escaped() (rsp/binary.h), because the client undoes escapes only
 * where a reply is defined as binary; frame_encode() then compresses runs
 * over the whole payload. Raw # $ * must not be left in a payload: they
 * would end it, begin another or count a run. frame_encode() escapes those
 * that are, so that no payload can break the framing; a } passes untouched.
 *
 * On the way in every payload is unescaped, text or not: clients escape
 * whatever needs it (lldb its JSON too).
 */
#ifndef RSP_FRAME_H
#define RSP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * The longest payload taken, unescaped; PacketSize in qSupported. It bounds
 * what clients send; a reply may be longer, as their buffers grow. 1 MiB
 * because between 128 KiB and that there is no difference on one machine and
 * fewer round trips to another; 2 MiB leaves the caches and is slower.
 */
#ifdef HOSTILE
#define RSP_PACKET_MAX 512
#else
#define RSP_PACKET_MAX 0x100000
#endif

/* What a packet buffer needs beyond its payload: a terminating zero, and
 * room for whole vectors to be stored at its end. */
#define FRAME_SLACK 64

enum frame_event {
	FRAME_MORE,	 /* all was used, nothing is whole yet */
	FRAME_PACKET,	 /* data[0..len) is an unescaped payload, data[len] 0 */
	FRAME_SUM,	 /* the same, but its checksum is that of another */
	FRAME_LONG,	 /* longer than the buffer, which holds its begin */
	FRAME_BAD,	 /* no digits behind # */
	FRAME_ACK,	 /* + */
	FRAME_NAK,	 /* - */
	FRAME_INTERRUPT, /* 0x03 outside of a packet */
};

struct frame_rx {
	enum {
		FRAME_IDLE,
		FRAME_BODY,
		FRAME_ESCAPE,
		FRAME_HIGH_DIGIT,
		FRAME_LOW_DIGIT,
	} state;
	uint8_t sum, want;
	bool overlong, mistaken; /* the payload; a checksum digit */
	char *data;		 /* the caller's, max + FRAME_SLACK bytes */
	size_t len, max;
};

void frame_rx_init(struct frame_rx *rx, char *data, size_t max);

/*
 * Takes bytes up to the first event, or all of them; *used of the n is set.
 * The payload of FRAME_PACKET and FRAME_SUM holds until the next call. A $ within a packet
 * begins it anew; bytes between packets that mean nothing are dropped.
 */
enum frame_event frame_feed(struct frame_rx *rx, const void *data, size_t n,
			    size_t *used);

/* Appends the whole frame; lead is $ or %. payload is not in out. */
void frame_encode(struct buf *out, char lead, const void *payload, size_t len);

/* The same without compressed runs. */
void frame_encode_plain(struct buf *out, char lead, const void *payload,
			size_t len);

#endif
