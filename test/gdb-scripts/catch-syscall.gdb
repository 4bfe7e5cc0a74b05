# inferior: catching plain
# compare: gdbserver
# Named calls stop at entry and return, others do not.
break begin
continue
catch syscall getppid write
continue
print $orig_rax
info symbol $pc
continue
print $rax > 1
continue
print (int) $rdi
continue
print (int) $rax
info breakpoints
delete 2
continue
