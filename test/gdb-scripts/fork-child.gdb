# inferior: fork 1
# feature: fork-event-feature
# compare: gdbserver
# The child followed instead, the parent detached.
set follow-fork-mode child
break in_both
continue
catch fork
continue
continue
print passes
backtrace
delete
continue
