# inferior: threads 2
# Documents that gdb reads: auxv, mappings, osdata, libraries, the program.
break all_there
continue
info auxv
info proc mappings
info proc exe
info os
info os processes
info os threads
info os cpus
info sharedlibrary
info inferiors
info target
maintenance info sections ALLOBJ .text
delete
continue
