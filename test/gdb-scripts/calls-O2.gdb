# inferior: calls-O2 3 9
# compare: gdbserver
# exit: 9
# The basics on another kind of program: breakpoint, frames, memory, a call.
break leaf
continue
backtrace
print $rdi
print total
print factorial(6)
info sharedlibrary
delete
continue
