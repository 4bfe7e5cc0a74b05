# inferior: calls 5
# connect: extended-remote
# ours: yes
# The command `qtrace', as the server has it: what a program has run, values
# at an address, tables, files; also after the program's end.
python exec(gdb.execute("monitor gdb-script", to_string=True))
try qtrace hot
try qtrace follow loudly
break main
continue
qtrace follow
qtrace probe leaf i, i * 2 if i > 20
qtrace probe middle i
try qtrace probe nowhere i
try qtrace probe leaf $xmm0
break done
continue
qtrace blocks leaf
qtrace probe
qtrace probe delete 2
try qtrace probe delete 2
qtrace coverage 1000
qtrace hot 3
try qtrace calls
try qtrace blocks nowhere
try qtrace save
try qtrace save coverage.drcov /no/such/folder/file
complete qtrace f
complete qtrace follow events=c
complete qtrace save cov
complete qtrace blocks facto
help qtrace hot
delete
continue
qtrace hot 1000
python scratch = gdb.convenience_variable("scratch").string()
python gdb.execute("qtrace save coverage.drcov %s/cov" % scratch)
python print(open(scratch + "/cov", "rb").read()[:16])
