# inferior: calls-static 3 9
# compare: gdbserver
# exit: 9
# The basics on another kind of program: breakpoint, frames, memory, a call, sections compared by CRC.
break leaf
continue
backtrace
print i
print total
print factorial(6)
compare-sections .text
compare-sections .rodata
delete
continue
