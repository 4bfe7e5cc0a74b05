# inferior: calls 5
# compare: gdbserver
# A trace run: what is collected is looked at when it is over, and afterwards.
tbreak main
continue
tvariable $sum = 1
trace leaf if i > 1
actions
collect $rip, i, total
teval $sum = $sum + i
collect $sum
end
trace middle
passcount 7 3
actions
collect i
while-stepping 2
collect $rip, $rsp
end
end
break leaf if i == 31
break done
info tracepoints
tstart
continue
print i
print $sum
continue
tstatus
tstop over
info tracepoints
info tvariables
tfind start
tdump
tfind
tdump
tfind tracepoint 2
tdump
print $sum
tfind range middle,+1
tfind outside main,+1000000
tfind 6
print $trace_frame
print i
try print *argv
tfind end
print total
eval "tsave %s/trace.tf", $scratch
detach
eval "target tfile %s/trace.tf", $scratch
tstatus
tfind start
tfind tracepoint 2
tdump
info tracepoints
