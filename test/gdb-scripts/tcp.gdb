# inferior: calls 2
# mode: tcp
# Over TCP; the client goes away in the middle.
break done
continue
disconnect
try continue
