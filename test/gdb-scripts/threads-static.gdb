# inferior: threads-static 4
# compare: gdbserver
# Threads of a static program.
break all_there
continue
silently info threads
python print("threads", len(gdb.selected_inferior().threads()))
delete
continue
