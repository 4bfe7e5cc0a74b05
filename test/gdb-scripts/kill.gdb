# inferior: threads 4 forever
# compare: gdbserver
# Killed with all its threads.
break all_there
continue
kill
info inferiors
