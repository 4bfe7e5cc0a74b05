# program: git --exec-path
# needs: git
# compare: gdbserver
# git: many libraries.
set breakpoint pending on
break puts
continue
bt 1
info sharedlibrary libz
delete
continue
