# inferior: calls 1
# Commands to the server itself.
monitor help
try monitor nonsense
continue
