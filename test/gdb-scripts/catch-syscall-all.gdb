# inferior: catching plain
# compare: gdbserver
# All calls, to the end.
break begin
continue
catch syscall
continue
continue
continue
continue
continue
continue
continue
continue
