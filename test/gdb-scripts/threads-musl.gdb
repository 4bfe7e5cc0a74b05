# inferior: threads-musl 4
# compare: gdbserver
# Threads of a musl program.
break all_there
continue
silently info threads
python print("threads", len(gdb.selected_inferior().threads()))
delete
continue
