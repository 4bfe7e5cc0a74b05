# server: --multi
# connect: extended-remote
# compare: gdbserver
# exit: 3
# No program at first: one is chosen, run with arguments and an environment,
# run again.
set remote exec-file /bin/sh
file /bin/sh
set args -c 'echo "got $WORD in $PWD"; exit 3'
set environment WORD apple
set cwd /
run
run
monitor exit
