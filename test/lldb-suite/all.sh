#!/usr/bin/env bash
# All folders of LLDB's API tests that passes/ has a list of, but for the
# protocol's own (tools/lldb-server), one after another: some 30 minutes.
#
#   all.sh SERVER OUTDIR
#
# As run.sh: each test that is in a list has to pass.
set -u
here=$(dirname "$(readlink -f "$0")")
[ $# -eq 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
cd "$here/passes" || exit 1
server=$(cd "$OLDPWD" && readlink -f "$1")
out=$(cd "$OLDPWD" && mkdir -p "$2" && readlink -f "$2")
status=0
for dir in */*; do
    [ "$dir" != tools/lldb-server ] || continue
    echo "$dir:"
    "$here/run.sh" -k "$server" "$out/${dir//\//_}" "$dir" || status=1
done
exit $status
