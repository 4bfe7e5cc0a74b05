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
status=0
for list in "$here"/passes/*; do
    dir=$(basename "$list")
    [ "$dir" != tools_lldb-server ] || continue
    echo "$(sed 's|_|/|' <<<"$dir"):"
    "$here/run.sh" -k "$1" "$2/$dir" "$(sed 's|_|/|' <<<"$dir")" || status=1
done
exit $status
