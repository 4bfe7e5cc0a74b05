# program: sqlite3 :memory: "create table t(a); with recursive c(x) as (select 1 union all select x+1 from c where x<10000) insert into t select x from c; select sum(a), count(*) from t;"
# needs: sqlite3
# compare: gdbserver
# sqlite3: a breakpoint that is hit often, with a condition on an argument.
set breakpoint pending on
tbreak sqlite3_step
continue
backtrace 1
set $n = 0
break sqlite3_column_text
commands
silent
set $n = $n + 1
continue
end
continue
print $n > 0
