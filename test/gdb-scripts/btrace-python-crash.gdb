# program: /usr/bin/python3 -S -c "import ctypes; ctypes.string_at(16)"
# needs: python3
# ours: yes
# A real program crashes; backwards from there, at the translator's speed
# until then.
set breakpoint pending on
stepi
record btrace bts
continue
info record
record function-call-history /c
record instruction-history
set step-mode on
reverse-finish
x/i $pc
reverse-continue
record goto begin
record goto end
info record
try record save /dev/null
kill
