/*
 * The x87 control words: FXSAVE's narrow fields and abridged tags (SDM vol. 1,
 * 10.5.1) against the eight 32-bit registers that gdb has for them, in its
 * order: fctrl fstat ftag fiseg fioff foseg fooff fop.
 */
#ifndef ARCH_X87_H
#define ARCH_X87_H

#include <stdbool.h>
#include <stdint.h>

#define X87_CONTROL_SIZE 32 /* bytes, in the g packet */

/* raw: the legacy region. The full tag word is worked out of the registers'
 * contents, as the processor's FSAVE does. */
void x87_control_unpack(const uint8_t *raw, uint8_t *regs);
void x87_control_pack(const uint8_t *regs, uint8_t *raw);

/* The words as FNINIT leaves them. */
void x87_control_init(uint8_t *regs);
bool x87_control_is_init(const uint8_t *regs);

/* The x87 part of the legacy region as FNINIT leaves it. */
void x87_raw_init(uint8_t *raw);

#endif
