break clock_nanosleep
continue
backtrace 4
info threads
info registers rip rsp rdi rsi
print $ymm0.v8_int32
x/4i $pc
x/2gx $rdx
info proc exe
thread 1
backtrace 1
delete
continue
