/*
 * Plain records that describe registers: filled by arch/, printed as a target
 * description by xml/, indexed by server/.
 */
#ifndef BASE_REGDESC_H
#define BASE_REGDESC_H

#include <stddef.h>
#include <stdint.h>

/*
 * A register type that gdb does not predefine; every one that a register
 * names has to be listed, each after those it refers to.
 */
struct regtype {
	const char *id, *feature;
	enum {
		REGTYPE_VECTOR,
		REGTYPE_UNION,
		REGTYPE_STRUCT, /* of members, or of bit fields if count */
		REGTYPE_FLAGS,
	} kind;
	const char *elem; /* vector: type of an element */
	uint8_t count;	  /* vector: elements; flags, bit fields: bytes */
	const struct regfield {
		const char *name, *type; /* flags: type may be NULL */
		uint8_t bit;		 /* flags, bit fields: first bit */
		uint8_t end;		 /* flags, bit fields: last bit */
	} *fields;
	uint8_t n_fields;
};

/*
 * One register. Its number is its index, as in the g packet and in agent
 * expressions; the g packet is all of them in order, little-endian, each in
 * bits / 8 bytes.
 */
struct regdesc {
	const char *name, *type;
	const char *group;   /* gdb's group attribute, or NULL */
	const char *feature; /* org.gnu.gdb.i386.core ... */
	uint16_t bits;
	uint8_t regset;	    /* which kernel register set holds it */
	uint16_t offset;    /* in that set, as the kernel lays it out */
	uint16_t packed_at; /* byte offset in the g packet */
};

#endif
