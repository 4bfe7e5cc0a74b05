# inferior: tlsvar-static-musl
# ours: yes
# Thread-local variables of each thread.
break look
continue
print tls_var
continue
print tls_var
print tls_zero
thread apply all -s -q print tls_var
continue
set var tls_var = 1000
print &tls_var != 0
continue
print tls_var
delete
continue
