# program: /usr/bin/perl -e '$s += $_ * $_ for 1..100000; system("true"); print "sum $s\n"; exit 6'
# needs: perl
# exit: 6
# Perl: a child by vfork or fork that execs and is let go.
set breakpoint pending on
break execvp
break exit
continue
backtrace 1
delete
continue
