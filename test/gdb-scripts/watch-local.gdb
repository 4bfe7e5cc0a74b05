# inferior: calls 3
# compare: gdbserver
# A watchpoint on a local ends with its frame.
break middle
continue
watch r
continue
continue
delete
continue
