# inferior: catching fork
# feature: fork-event-feature
# The child followed and the parent kept (whose registers gdbserver cannot read
# then); then both run to their ends.
set follow-fork-mode child
set detach-on-fork off
break begin
continue
break _exit
continue
info inferiors
delete
set schedule-multiple on
continue
silently inferior 1
continue
