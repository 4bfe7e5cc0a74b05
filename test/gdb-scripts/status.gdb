# program: sh -c 'kill -TERM $$'
# compare: gdbserver
# exit: 255
# Death by a signal.
handle SIGTERM nostop noprint pass
continue
print $_exitsignal
