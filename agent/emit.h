/* Bytecodes that are written: private to agent/source*.c. */
#ifndef AGENT_EMIT_H
#define AGENT_EMIT_H

#include "agent/ax.h"
#include "agent/source.h"

/* With an operand of a byte, or of two. */
void emit_byte(struct buf *code, unsigned op, unsigned operand);
void emit_word(struct buf *code, unsigned op, unsigned operand);

/* A jump, to be led somewhere by emit_here(); returns which. */
size_t emit_jump(struct buf *code, unsigned op);
void emit_here(struct buf *code, size_t jump);

#endif
