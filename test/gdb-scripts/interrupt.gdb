# inferior: syscalls block
# compare: gdbserver
# ^C in a blocking read, also in a range step over it; the call is restarted.
break blocked
continue
asleep interrupt
continue
backtrace 2
asleep interrupt
finish
kill
