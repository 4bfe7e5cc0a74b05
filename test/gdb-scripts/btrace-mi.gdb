# inferior: branching signals nested jumps
# ours: yes
# What front ends ask: may the program run backwards? And Python.
break main
continue
interpreter-exec mi "-list-target-features"
python r = gdb.start_recording("btrace", "bts")
interpreter-exec mi "-list-target-features"
break piece_done
handle SIGUSR1 SIGUSR2 nostop noprint pass
ignore 2 2
continue
python print(r.method, r.format)
python print(len(r.instruction_history) > 1000)
python names = [c.symbol.name for c in r.function_call_history if c.symbol]
python print("count", names.count("count"), "nest", names.count("nest"), "leave", names.count("leave"))
python h = r.instruction_history; print(h[-1].pc < h[-1].pc + h[-1].size, [i.number for i in h[:3]])
python print([type(x).__name__ for x in (r.begin, r.end)], r.replay_position)
python r.goto(r.begin); print(r.replay_position.number)
info record
python r.goto(r.end)
delete
break count
reverse-continue
python gdb.stop_recording()
kill
