# inferior: calls 6
# compare: gdbserver
# What gdb pushes of breakpoints that only print: all of a place, with their
# condition. A breakpoint's own commands are gdb's. (What it cannot compile, as
# 'a' + i, it does not push, and does not get past that.)
set dprintf-style agent
dprintf leaf,"one %d %x %c\n", i, i, i + 97
dprintf leaf,"two |%5ld|%-5u|\n", total, i
dprintf middle,"middle %d\n", i
condition 3 i > 20
dprintf work,"work\n"
break make_pair
commands
silent
printf "pair of %d\n", a
continue
end
break done
info breakpoints
continue
continue
