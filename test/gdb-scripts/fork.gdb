# inferior: fork 3
# compare: gdbserver
# exit: 3
# Children are let go: no breakpoint of ours is left in them.
break in_both
break parent_done
continue
continue
continue
