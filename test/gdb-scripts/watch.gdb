# inferior: data
# compare: gdbserver by debug registers
# Watchpoints of each width and kind, aligned and not; conditions; scopes.
break begin
continue
watch v.b1
continue
delete 2
watch v.h
continue
delete 3
watch v.w
continue
delete 4
watch v.d
continue
delete 5
rwatch v.b0
continue
delete 6
awatch v.h
continue
continue
delete 7
watch v.odd
continue
delete 8
watch v.b0 if v.b0 == 3
continue
info watchpoints
delete
break end
continue
delete
continue
