# inferior: catching exec /proc/self/exe plain
# feature: exec-event-feature
# compare: gdbserver
# The new program's calls are caught as well.
break begin
continue
catch exec
catch syscall getppid execve
continue
continue
continue
continue
continue
continue
