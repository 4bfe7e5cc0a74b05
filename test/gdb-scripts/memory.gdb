# inferior: maps
# compare: gdbserver
# Reads that end in a hole, find, writes, compare-sections, dump and restore.
break ready
continue
x/s words
x/4xb edge + 8188
try x/8xb edge + 8188
try print *edge@16384
try print secret[0]
try set var edge[8192] = 1
find edge, +8192, 'n', 'e', 'e', 'd'
find /b1 edge, +8192, 0x77
find edge, +8192, "no such thing"
set var edge[100] = 0xab
print/x edge[100]
set var *(int (*)[64])(edge + 200) = {0}
print *(int (*)[64])(edge + 200)
eval "dump binary memory %s/piece edge edge+8192", $scratch
set var edge[0] = 77
eval "restore %s/piece binary edge", $scratch
print edge[0]
delete
continue
