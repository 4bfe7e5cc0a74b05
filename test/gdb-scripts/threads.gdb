# inferior: threads 4
# compare: gdbserver
# Threads appear, are listed, switched to, stepped with and without the
# others, and go.
break all_there
continue
info threads
thread apply all -ascending backtrace 1
thread 3
info threads 3
thread name third
thread find third
thread apply 1 print hits
thread 1
set scheduler-locking on
next
set scheduler-locking off
next
info threads
delete
continue
