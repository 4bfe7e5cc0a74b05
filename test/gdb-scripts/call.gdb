# inferior: calls 3
# compare: gdbserver
# Functions called in the program: integers, floats, a struct, a breakpoint
# met inside, and one that returns from its frame.
break work
continue
print factorial(10)
call scale(2.5, 4)
print make_pair(9)
print total
call leaf(1000)
print total
break leaf
try call leaf(7)
bt 2
finish
delete
print $_exitcode
return 5
next
continue
