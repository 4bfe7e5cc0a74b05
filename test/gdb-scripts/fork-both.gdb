# inferior: catching fork
# feature: fork-event-feature
# compare: gdbserver
# Both processes kept: each runs when it is told to, and both together. The
# child ends alone: when it does so while the parent runs, gdbserver tells of
# that and does not stop the parent, whose registers gdb may then not get.
set detach-on-fork off
catch fork
continue
info inferiors
next
inferior 2
tbreak syscall
continue
tbreak _exit
set schedule-multiple on
continue
set schedule-multiple off
continue
silently inferior 1
continue
