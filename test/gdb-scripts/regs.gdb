# inferior: regs
# cpu: avx
# compare: gdbserver
# x87, SSE and AVX registers read as set, and written.
break *&regs_loaded
continue
print/x $eax
print $st0
print $ymm0.v32_int8
print $xmm1.v16_int8
print/x $xmm1.uint128
print $rip == &regs_loaded
info registers eflags cs ss
info float
print $mxcsr
set var $ymm0.v32_int8[0] = 100
set var $ymm0.v32_int8[31] = 101
set var $xmm1.v16_int8[0] = 102
set var $st0 = 2.5
set var $eax = 0x4321
break stored
continue
print/d seen.ymm0
print/d seen.xmm1
print seen.st0
print/x seen.ax
info all-registers fs_base
# not every CPU has these
try info all-registers k0
try info all-registers pkru
continue
