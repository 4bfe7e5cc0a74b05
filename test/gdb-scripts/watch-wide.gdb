# inferior: data
# compare: gdbserver by debug registers
# 32 bytes take all four debug registers; a hit in the first and in the last.
break begin
continue
set can-use-hw-watchpoints 1
watch v.bytes
continue
python print("first", gdb.parse_and_eval("v.bytes[1]"))
continue
python print("last", hex(int(gdb.parse_and_eval("v.bytes[30]"))))
delete
continue
