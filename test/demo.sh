#!/bin/sh
# demo.sh SERVER: a session of stock gdb with a real program, Python running
# four threads, served by SERVER on :1234 or the next free port.
set -eu
cd "$(dirname "$0")"
server=$1
case $server in /* | [!/]*/*) server=$(cd .. && readlink -f "$server") ;; esac
tmp=$(mktemp -d)
pid=
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# Serves the program on the port given; fails when the port is in use.
serve() {
    : >"$tmp/out"
    "$server" --once "localhost:$1" /usr/bin/python3 demo.py \
        >"$tmp/out" 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        ! grep -q '^Listening on port' "$tmp/out" || return 0
        sleep 0.05
    done
    wait $pid || pid=
    return 1
}

port=1234
until serve $port; do
    grep -qi 'in use' "$tmp/out" || { cat "$tmp/out"; exit 1; }
    echo "(port $port is in use)"
    port=$((port + 1))
done

echo "\$ $(basename "$server") :$port /usr/bin/python3 demo.py &"
cat "$tmp/out"
echo "\$ gdb -ex 'target remote :$port'"
gdb -nx -batch -iex 'maintenance set internal-error corefile no' \
    -ex 'set pagination off' -ex 'set width 100' \
    -ex 'set debuginfod enabled off' -ex 'set style enabled off' \
    -ex 'set breakpoint pending on' -ex 'set trace-commands on' \
    -ex "target remote :$port" -x demo.gdb 2>&1 |
    sed -u -e '/^Reading .* from remote target/d' \
        -e '/^warning: File transfers from remote targets/d' \
        -e 's/^+/(gdb) /'
wait $pid || { cat "$tmp/out"; exit 1; }
pid=
echo '-- what the program printed:'
grep -v '^(loopback only\|^Listening on\|^Process \|^Remote debugging from\|^$' "$tmp/out" || :
grep -q 'sum of squares: 332833500' "$tmp/out" ||
    { echo 'demo: the program did not come to its end'; exit 1; }
