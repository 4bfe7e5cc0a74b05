# inferior: syscalls block
# compare: gdbserver
# ^C in a blocking read, also in a range step over it; the call is restarted.
break blocked
continue
after 0.3 interrupt
continue
backtrace 2
after 0.3 interrupt
finish
kill
