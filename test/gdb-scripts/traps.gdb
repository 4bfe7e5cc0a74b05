# inferior: traps
# compare: gdbserver
# The program's own int3 is a plain SIGTRAP, hlt a SIGSEGV, ud2 a SIGILL.
break main
continue
continue
x/i $pc
signal SIGTRAP
x/i $pc
continue
x/i $pc
break end
continue
continue
