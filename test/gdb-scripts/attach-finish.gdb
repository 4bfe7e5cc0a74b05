# inferior: threads 4 forever
# attach: yes
# Attached to, told to end, seen to its end.
set var stay = 0
continue
