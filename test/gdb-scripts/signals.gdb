# inferior: signals 3
# compare: gdbserver
# Signals passed without a stop, stopped and passed, stopped and dropped;
# the fault's siginfo.
handle SIGALRM nostop noprint pass
handle SIGUSR1 stop print pass
continue
print $_siginfo.si_signo
info signals SIGUSR1
continue
signal 0
continue
print $_siginfo.si_signo
print $_siginfo._sifields._sigfault.si_addr
x/i $pc
break finished
continue
print usr1
print alarms
print faults
continue
