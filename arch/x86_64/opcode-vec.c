/* The flat tables: VEX, EVEX and XOP opcodes. Their rows use short names. */
#include "arch/x86_64/opcode.h"

/* clang-format off */
#define NP  0
#define P66 1
#define PF3 2
#define PF2 3

#define L0   V_L0
#define L1   V_L1
#define L2   V_L2
#define L01  (V_L0 | V_L1)
#define L12  (V_L1 | V_L2)
#define LA   (V_L0 | V_L1 | V_L2)
#define W0   V_W0
#define W1   V_W1
#define WX   (V_W0 | V_W1)
#define MEM  V_MEM
#define REG  V_REG
#define RM   (V_MEM | V_REG)
#define V    V_V
#define VR   V_VR
#define SIB  V_SIB
#define IB   V_IB
#define ID   V_ID
#define BC   V_BC
#define RC   V_RC
#define K    V_K
#define KREQ V_KREQ
#define NOMODRM V_NOMODRM
#define KR   V_KR
#define KV   V_KV
#define GR   V_GR
#define O64  V_64
#define RM0  V_RM0
#define KZ   (V_K | V_Z)
#define KZR  (V_K | V_ZR)
#define RS(set) ((uint32_t)(set) * V_R0) /* bit n: /n exists */

const uint32_t x86_vex[4][4][256] = {
#define OP(map, pp, opcodes, form) [map][pp][opcodes] = form,
#include "arch/x86_64/vex.def"
#undef OP
};

const uint32_t x86_evex[7][4][256] = {
#define OP(map, pp, opcodes, form) [map][pp][opcodes] = form,
#include "arch/x86_64/evex.def"
#undef OP
};

const uint32_t x86_xop[3][4][256] = {
#define OP(map, pp, opcodes, form) [(map)-8][pp][opcodes] = form,
#include "arch/x86_64/xop.def"
#undef OP
};
