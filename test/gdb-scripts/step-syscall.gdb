# inferior: syscalls
# compare: gdbserver
# Steps over system calls, by line and by instruction, with a breakpoint on
# the instruction after; a display.
break turn
continue
display loops
next
next
print got
next
next
tbreak getppid
set $n = 0
delete 1
break turn
continue
while $n < 60
  silently stepi
  set $n = $n + 1
end
delete
continue
