# inferior: data
# More than four, of which translated code checks some; what they stop at, and
# behind what, is as with those of the processor.
break begin
continue
delete
watch v.b0
watch v.b1
watch v.h
watch v.w
watch v.d
watch v.bytes[1]
awatch v.odd[1]
continue
continue
continue
continue
continue
python print("d", hex(int(gdb.parse_and_eval("v.d"))))
continue
continue
next
delete
continue
