# inferior: catching vfork
# feature: vfork-event-feature
# compare: gdbserver
# Calls, the event and its end in one thread; the child is let go.
break begin
continue
catch vfork
catch syscall vfork getppid
continue
continue
continue
continue
continue
continue
