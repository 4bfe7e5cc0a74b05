#!/bin/sh
# The man page has no mistakes that mandoc(1) knows.
command -v mandoc >/dev/null || { echo 'no mandoc here'; exit 77; }
exec mandoc -T lint -W warning "$(dirname "$0")/../doc/tracestub.1"
