# program: gcc -x c -S -o /dev/null /dev/null
# feature: exec-event-feature
# needs: gcc
# compare: gdbserver
# The compiler driver: vforks and execs cc1, waits, exits with its status.
set breakpoint pending on
set follow-fork-mode child
catch exec
continue
info proc exe
bt 1
delete
continue
