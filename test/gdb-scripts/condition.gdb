# inferior: calls 200
# compare: gdbserver
# Conditions that the server evaluates, one that gdb does, ignore counts.
set breakpoint condition-evaluation target
break leaf if i == 1501
break middle if (i > 100 && i < 115) || total == -1
break work if $_streq("no", "no") && i == 150
continue
info breakpoints
continue
continue
set breakpoint condition-evaluation host
delete
break work
ignore 4 20
continue
print i
delete
continue
