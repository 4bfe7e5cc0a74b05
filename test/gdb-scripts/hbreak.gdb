# inferior: calls 3
# compare: gdbserver by debug registers
# Hardware breakpoints; too many are refused without harm.
hbreak leaf
hbreak middle
hbreak work
hbreak done
continue
continue
continue
delete 1 2 3
continue
info breakpoints
delete
hbreak *leaf
hbreak *middle
hbreak *work
hbreak *done
hbreak *factorial
try stepi
delete
continue
