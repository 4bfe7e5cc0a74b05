# inferior: calls 3
# ours: yes
# Branch history of the client's own steps, and of what ran between.
break work if i == 1
continue
try info record
record btrace
info record
finish
record function-call-history /ilc
record instruction-history
reverse-stepi 12
reverse-finish
reverse-step
reverse-stepi 3
stepi
info record
try print i
try x/i $pc
record goto begin
record goto 8
record goto end
break leaf
reverse-continue
reverse-next
record goto end
reverse-continue
reverse-continue
record goto end
continue
record function-call-history /c
reverse-next
record goto end
info record
delete
record stop
try reverse-stepi
continue
