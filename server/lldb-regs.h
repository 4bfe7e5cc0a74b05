/*
 * Registers as lldb-server names and numbers them: rflags and segments of 64
 * bits, whole ymm (and zmm) registers, and the parts of others that have names
 * (eax, xmm0). Each is put together from pieces of those that the instruction
 * set has (arch/arch.h).
 */
#ifndef SERVER_LLDB_REGS_H
#define SERVER_LLDB_REGS_H

#include "arch/arch.h"
#include "server/lldb.h"

#define LLDB_REG_BYTES	64 /* of the widest */
#define LLDB_REG_PIECES 3

enum lldb_set { SET_GENERAL, SET_FLOAT, SET_VECTOR, SET_WIDE };

struct lldb_reg {
	char name[12];
	uint16_t bits;
	uint16_t offset; /* in the image, whose begin g sends */
	enum lldb_set set;
	int16_t dwarf; /* -1: none; the same number is that of .eh_frame */
	int16_t whole; /* the register that this is part of; -1: none */
	const char *generic; /* pc sp fp flags arg1 ...; or NULL */
	unsigned n_pieces;
	struct lldb_piece {
		uint16_t regno;	   /* of the instruction set */
		uint8_t from, len; /* bytes of it; what a register has beyond
				    * its pieces is zero */
	} piece[LLDB_REG_PIECES];
};

struct lldb_regs {
	struct list node;
	const struct arch *arch; /* borrowed */
	struct lldb_reg *regs;
	size_t n;
	size_t n_expedited; /* the first so many are in every stop reply */
	size_t size;	    /* of the image */
	size_t sent; /* by g: without SET_WIDE, which lldb then asks for by p
		      * (ReadRegisterBytes() in its
		      * GDBRemoteRegisterContext.cpp); it is three quarters */
};

/* That of the thread's process, made when it is first asked for; owned by the
 * session. */
const struct lldb_regs *lldb_regs_of(struct session *s,
				     const struct thread *th);
void lldb_regs_free(struct lldb_regs *r);

/* bits / 8 bytes. An error is the target's. */
int lldb_reg_fetch(struct session *s, struct thread *th,
		   const struct lldb_reg *r, uint8_t *value);
int lldb_reg_store(struct session *s, struct thread *th,
		   const struct lldb_reg *r, const uint8_t *value);

/* NULL: there is no such register. */
const struct lldb_reg *lldb_reg_find(const struct lldb_regs *r,
				     const char *generic);

/* target.xml: gdb's format with lldb's attributes. */
void lldb_put_target(const struct lldb_regs *r, struct buf *out);

/* g p P to lldb. */
int lldb_regs_read(struct session *s, struct buf *out);
int lldb_reg_read(struct session *s, struct args *a, struct buf *out);
int lldb_reg_write(struct session *s, struct args *a, struct buf *out);

#endif
