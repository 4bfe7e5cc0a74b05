# inferior: signals 2
# compare: gdbserver
# Steps into and out of a handler; frames across the trampoline; a signal of
# the user's own, and siginfo rewritten before delivery.
handle SIGALRM nostop noprint pass
handle SIGUSR1 nostop noprint pass
break on_usr1
continue
backtrace
finish
delete 1
handle SIGUSR1 stop print pass
continue
handle SIGUSR1 nostop noprint pass
continue
set var $_siginfo._sifields._sigfault.si_addr = (void *) 0x1234
break on_fault
continue
print info->_sifields._sigfault.si_addr
break finished
continue
print/x fault_addr
delete
queue-signal SIGUSR1
print usr1
continue
