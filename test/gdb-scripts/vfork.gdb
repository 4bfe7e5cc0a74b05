# inferior: fork vfork 3
# compare: gdbserver
# exit: 3
# The child runs in our memory, breakpoint and all, and must not meet it.
break in_both
break parent_done
continue
continue
continue
