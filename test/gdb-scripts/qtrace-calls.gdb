# inferior: threads 3
# connect: extended-remote
# ours: yes
# Calls of all threads, counted; blocks by hits; and back to the original code.
python exec(gdb.execute("monitor gdb-script", to_string=True))
break main
continue
qtrace follow trace buffer=8M
break all_there
continue
qtrace calls 1000
try qtrace calls many
qtrace blocks 3
qtrace unfollow
info threads
delete
continue
qtrace calls 1000
