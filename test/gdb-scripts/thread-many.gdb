# inferior: threads 200
# Two hundred threads: created, listed, stepped among, joined.
break all_there
continue
silently info threads
python print("threads", len(gdb.selected_inferior().threads()))
next
python print("frames", sum(1 for t in gdb.selected_inferior().threads() if (t.switch(), gdb.newest_frame())))
thread 1
delete
continue
