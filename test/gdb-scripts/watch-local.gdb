# inferior: calls 3
# compare: gdbserver by debug registers
# A watchpoint on a local ends with its frame.
break middle
continue
watch r
continue
continue
delete
continue
