# inferior: exec thread
# feature: exec-event-feature
# exec by a thread that is not the leader: it becomes the leader.
break after
continue
info threads
print $_gthread
continue
