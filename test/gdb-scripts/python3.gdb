# program: /usr/bin/python3 -c "import threading,time; t=[threading.Thread(target=time.sleep,args=(0.05,)) for _ in range(3)]; [x.start() for x in t]; [x.join() for x in t]; print('sum', sum(range(1000)))"
# A large interpreter with threads, by its exported symbols.
set breakpoint pending on
break clock_nanosleep
continue
backtrace 3
info threads
print (long) $rsp % 8
delete
continue
