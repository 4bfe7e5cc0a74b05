# inferior: calls 3 5
# compare: gdbserver
# exit: 5
# Software breakpoints: set, met, counted, finish, deleted; the exit status.
break work
continue
backtrace
info breakpoints
finish
continue
print i
up
info locals
delete
tbreak done
continue
print total
next
next
continue
