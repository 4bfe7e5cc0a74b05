# inferior: threads 3
# mode: stdio
# compare: gdbserver
# The connection over a pipe: the program's output goes to stderr, its input
# is empty.
break all_there
continue
info threads
delete
continue
