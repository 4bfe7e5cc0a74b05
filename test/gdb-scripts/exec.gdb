# inferior: exec self
# feature: exec-event-feature
# compare: gdbserver
# exec: the new image's breakpoints are met.
break before
break after
continue
catch exec
continue
continue
info inferiors
backtrace
continue
