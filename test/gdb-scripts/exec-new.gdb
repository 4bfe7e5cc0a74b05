# inferior: catching exec /proc/self/exe plain
# feature: exec-event-feature
# compare: gdbserver
# The new program in an inferior of its own, and the old one left without.
set follow-exec-mode new
break begin
continue
catch exec
continue
info inferiors
continue
continue
