/*
 * gdb's agent expressions: small stack programs that a client sends with
 * breakpoints (conditions, dprintf) and tracepoints, so that the server can
 * decide without asking it. ax_load() verifies one and decodes it; after that
 * ax_eval() can neither leave the program nor its stack, and ends. The rules
 * are the manual's appendix "The GDB Agent Expression Mechanism"; where it is
 * silent or differs from what gdb compiles, these hold:
 *
 *	integers	64 bits, two's complement, overflow wraps
 *	x / 0, x % 0	the evaluation fails: -EDOM
 *	INT64_MIN / -1	INT64_MIN, remainder 0
 *	shifts		the count is unsigned; from 64 on everything is
 *			shifted out: 0, or the sign for rsh_signed
 *	ext n		n = 0 leaves 0, n >= 64 changes nothing; zero_ext too
 *	rot		a b c -> c a b, c is the top
 *	tracev		pushes nothing (the manual says it does; gdb compiles
 *			$a + $b to getv tracev getv tracev add)
 *	memory		little-endian, any alignment
 *	doubles		a stack slot holds the bit pattern of an IEEE double;
 *			ref_float widens to it, ref_long_double reads the 10
 *			bytes of an x87 number and rounds to it
 *	float op	op on doubles: add, sub, mul, div_signed; equal,
 *			less_signed and log_not push an integer 0 or 1
 *	d_to_l		truncates; NaN and what does not fit are INT64_MIN, as
 *			from cvttsd2si
 *	printf		function and channel are popped and ignored; formats
 *			are in format.h
 *
 * A program owns nothing outside itself and does not change once loaded: any
 * number of evaluations may use it.
 */
#ifndef AGENT_AX_H
#define AGENT_AX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define AX_CODE_MAX  0x10000 /* bytes of a program: what a jump can reach */
#define AX_DEPTH_MAX 256     /* values on the stack; gdbserver has 100 */
#define AX_STEPS_MAX 100000  /* instructions that jumps back may repeat */
#define AX_PRINT_MAX 65536   /* bytes that one evaluation may print */

/* A variable that no client has: the thread's id. Where breakpoints' conditions
 * are evaluated there is no other. */
#define AX_VARIABLE_THREAD 0xffff

/* The bytecodes, and AX_FLOAT_OP | op: that op behind a float prefix. */
enum ax_op {
#define AX_OP(id, name, code, operand, pops, pushes) AX_##id = (code),
#include "agent/ops.def"
#undef AX_OP
	AX_FLOAT_OP = 0x80,
};

struct ax_program;

/*
 * What an expression can reach. Each call returns 0 or a negative errno, at
 * which the evaluation ends with that error. reg and mem are required; where
 * another is NULL, an expression that needs it fails with -ENOSYS.
 */
struct ax_env {
	/* Register numbers are gdb's: indices of the target description. */
	int (*reg)(void *user, unsigned regnum, uint64_t *value);
	/* All of len bytes (10 at most, 256 for %s) or an error. */
	int (*mem)(void *user, uint64_t addr, void *buf, size_t len);
	/* Trace state variables. */
	int (*getv)(void *user, unsigned number, int64_t *value);
	int (*setv)(void *user, unsigned number, int64_t value);
	/* Record: a variable; memory, with to_nul at most up to a zero byte.
	   len comes from the expression, unchecked. */
	int (*tracev)(void *user, unsigned number);
	int (*trace)(void *user, uint64_t addr, uint64_t len, bool to_nul);
	/* The whole text of one printf; it may hold zero bytes. */
	int (*print)(void *user, const char *text, size_t len);
	void *user;
};

/*
 * Verifies code (copied) and makes a program of it, which the caller frees.
 * Refused, with the reason and the byte's offset in e: unknown and truncated
 * bytecodes, jumps to anything but a bytecode, stacks that may run empty, over
 * AX_DEPTH_MAX or into a place with different depths, programs from which no
 * end can be reached or that run past their last byte (-EINVAL); more than
 * AX_CODE_MAX bytes (-E2BIG). e may be NULL.
 */
int ax_load(struct ax_program **out, const uint8_t *code, size_t len,
	    struct err *e);
void ax_free(struct ax_program *p); /* NULL is allowed */

/*
 * Runs p. 0: *result is the top of the stack at the end; or a negative errno:
 * one of the environment's, -EDOM, -ENOSYS, -ETIMEDOUT after too many jumps
 * back, -EFBIG when too much was printed, -ENODATA when there is no result.
 * result may be NULL where only effects are wanted (commands, tracing).
 */
int ax_eval(const struct ax_program *p, const struct ax_env *env,
	    int64_t *result);

#endif

