# inferior: catching-i386 plain
# compare: gdbserver
# Numbers of a 32-bit program are those of i386.
break begin
continue
catch syscall getppid
continue
print $orig_eax
continue
catch syscall group:process
continue
continue
continue
