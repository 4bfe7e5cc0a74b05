# inferior: branching calls thread
# ours: yes
# A thread is there from its beginning.
break main
continue
record btrace
break factorial if $_thread == 2
continue
info record
thread 1
info record
thread 2
record goto begin
record goto end
record function-call-history /c 1,12
reverse-step
reverse-step
record goto end
disable
continue
