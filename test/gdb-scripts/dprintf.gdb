# inferior: calls 3
# Formatted prints that the server makes, with no stop.
set dprintf-style agent
dprintf leaf,"leaf %d of total %d\n", i, total
break done
continue
info breakpoints 1
continue
