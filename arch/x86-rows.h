/* The vocabulary of the two register tables, x86_64-regs.def and i386's. */
#define USER(r)	    offsetof(struct user_regs_struct, r)
#define ST(n)	    REG(st##n, 80, "i387_ext", NULL, X86_CORE, X86_X87, \
			X86_ST_AT + 16 * (n))
#define CONTROL(r, at) REG(r, 32, "int", "float", X86_CORE, X86_CONTROL, at)
#define XMM(n)	    REG(xmm##n, 128, "vec128", NULL, X86_SSE_REGS, X86_SSE, \
			X86_XMM_AT + 16 * (n))
#define YMMH(n)	    REG(ymm##n##h, 128, "uint128", NULL, X86_AVX_REGS, \
			X86_AVX, 16 * (n))
#define BND(n)	    REG(bnd##n##raw, 128, "br128", NULL, X86_MPX, \
			X86_BNDREGS, 16 * (n))
#define K(n)	    REG(k##n, 64, "uint64", NULL, X86_AVX512, X86_OPMASK, \
			8 * (n))
#define ZMMH(n)	    REG(zmm##n##h, 256, "v2ui128", NULL, X86_AVX512, \
			X86_ZMM_HI256, 32 * (n))

#define X8(X)	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define X8_15(X) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define X16_31(X) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) \
		  X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

#define X87_REGS X8(ST)                                             \
	CONTROL(fctrl, 0) CONTROL(fstat, 2) CONTROL(ftag, 4)            \
	CONTROL(fiseg, 12) CONTROL(fioff, 8) CONTROL(foseg, 20)         \
	CONTROL(fooff, 16) CONTROL(fop, 6)

#define MXCSR REG(mxcsr, 32, "i386_mxcsr", "vector", X86_SSE_REGS, \
		  X86_MXCSR, X86_MXCSR_AT)

#define MPX_REGS BND(0) BND(1) BND(2) BND(3)                                 \
	REG(bndcfgu, 64, "cfgu", NULL, X86_MPX, X86_BNDCSR, 0)                   \
	REG(bndstatus, 64, "status", NULL, X86_MPX, X86_BNDCSR, 8)

#define PKRU REG(pkru, 32, "uint32", NULL, X86_PKEYS, X86_PKRU, 0)
