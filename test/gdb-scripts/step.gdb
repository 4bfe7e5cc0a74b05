# inferior: calls 3
# compare: gdbserver
# Steps by line, by instruction, into, over and out of calls; until, advance.
break work
continue
step
step
up
down
finish
next
stepi
nexti
info symbol $pc
advance leaf
frame
until done
break done
continue
step
next
continue
continue
delete
continue
