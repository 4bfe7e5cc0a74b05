#!/bin/sh
# Every header compiles alone. usage: check-headers.sh CC FLAGS...
cd "$(dirname "$0")/.." || exit 2
bad=0
for h in $(find . -path ./build -prune -o -name '*.h' -print); do
    printf '#include "%s"\n' "${h#./}" |
        "$@" -fsyntax-only -x c - || { echo "$h does not compile alone"; bad=1; }
done
exit $bad
