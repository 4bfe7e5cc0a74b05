# inferior: calls 1
# compare: gdbserver
# Deep frames: finish in recursion, up by number, variables of a frame.
break factorial if n == 1
continue
backtrace
frame 3
print n
finish
info frame
delete
continue
