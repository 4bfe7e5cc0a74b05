# inferior: regs-i386
# cpu: avx
# compare: gdbserver
# The same registers of a 32-bit program, by its own table.
break *&regs_loaded
continue
print/x $eax
print $st0
print $ymm0.v32_int8
print $eip == &regs_loaded
print sizeof($esp)
info registers
set var $ymm0.v32_int8[0] = 100
set var $ymm0.v32_int8[31] = 101
set var $xmm1.v16_int8[0] = 102
set var $st0 = 2.5
set var $eax = 0x4321
delete
continue
