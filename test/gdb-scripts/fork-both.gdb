# inferior: catching fork
# feature: fork-event-feature
# compare: gdbserver
# Both processes kept: each runs when it is told to, and both together.
set detach-on-fork off
catch fork
continue
info inferiors
next
inferior 2
tbreak _exit
continue
set schedule-multiple on
continue
silently inferior 1
continue
