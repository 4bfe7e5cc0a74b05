# inferior: calls 9
# ours: yes
# What breakpoints cannot be told by gdb, by monitor and by qtrace; logpoints.
python exec(gdb.execute("monitor gdb-script", to_string=True))
monitor set conditions compiled
break main
continue
break leaf
monitor condition leaf if rdi > 10 every 3
monitor logpoint middle "middle %d\n" rdi
continue
print i
monitor condition
monitor condition delete
qtrace condition leaf if i % 20 == 11 ignore 1
qtrace logpoint work "work %d of %d\n" i, i + 1 if i > 5
qtrace condition
qtrace logpoint
try monitor condition leaf if rdi =
try qtrace condition leaf if nosuch
try qtrace condition leaf foo
continue
print i
qtrace condition
complete qtrace cond
complete qtrace logpoint midd
help qtrace logpoint
delete
qtrace condition delete
monitor logpoint delete 1
continue
