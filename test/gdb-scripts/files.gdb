# inferior: calls 1
# compare: gdbserver
# vFile through gdb's commands: put, get, compare, delete, and its errors.
eval "shell seq 1 200000 > %s/a", $scratch
eval "remote put %s/a %s/b", $scratch, $scratch
eval "remote get %s/b %s/c", $scratch, $scratch
eval "shell cmp %s/a %s/c && echo the same", $scratch, $scratch
eval "remote delete %s/b", $scratch
eval "shell ls %s", $scratch
eval "try remote get %s/b %s/c", $scratch, $scratch
eval "try remote delete %s/b", $scratch
try remote get /etc/nothing/here /tmp/x
eval "try remote put %s/a /proc/nowhere", $scratch
continue
