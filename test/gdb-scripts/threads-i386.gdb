# inferior: threads-i386 4
# compare: gdbserver
# Threads of a 32-bit program.
break all_there
continue
silently info threads
python print("threads", len(gdb.selected_inferior().threads()))
delete
continue
