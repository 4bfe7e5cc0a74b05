# inferior: threads 4 forever
# attach: yes
# A running program with threads: attach, look, stop, detach; it runs on.
silently info threads
python print("threads", len(gdb.selected_inferior().threads()))
thread apply all -q backtrace -1
print hits
detach
info inferiors
