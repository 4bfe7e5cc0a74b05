# inferior: threads-go
# ours: yes
# A Go program: its own scheduler and stacks, many threads, preempted by
# SIGURG, no C library. (gdbserver 13 loses it at its exit.)
handle SIGURG nostop noprint pass
break main.main
continue
tbreak main.square if i == 500
continue
backtrace 1
silently info threads
python print("several", len(gdb.selected_inferior().threads()) > 3)
delete
continue
