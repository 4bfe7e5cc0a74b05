# inferior: threads 8
# A breakpoint that many threads meet at once, and one for a thread alone.
break in_thread
commands
silent
print i
continue
end
break all_there
continue
info breakpoints 1
delete
continue
