#!/usr/bin/env bash
# LLDB 19's own API tests with any server that takes lldb-server's command
# line.
#
#   run.sh [-t SECONDS] [-k] SERVER OUTDIR [TEST-DIR [DOTEST-ARG...]]
#
#   SERVER     a program: "gdbserver [OPTIONS] HOST:PORT [-- PROG ARG...]";
#              "-" is lldb-server 19 itself
#   OUTDIR     receives log (all that was said), results (a line a test: its
#              status and name), starts (a line for each start of SERVER) and
#              the build folder
#   TEST-DIR   below lldb/test/API; default tools/lldb-server, where the suite
#              itself speaks the protocol. In all others stock lldb starts
#              SERVER for every debuggee (LLDB_DEBUGSERVER_PATH)
#   DOTEST-ARG as dotest.py has them: -p REGEX of files, -f REGEX of tests
#
# Where there is a list of TEST-DIR in passes/, and all of it is run, each test
# in the list has to pass: those that pass with lldb-server 19. Without a list
# nothing may fail.
#
#   -t SECONDS  a limit for the whole (default 3000)
#   -k          a test that fails is run once more on its own; what passes
#               then is counted as passed, and said
#
# lldb-19, its library and its Python modules are unpacked in
# $LLDB_TS_CACHE (${XDG_CACHE_HOME:-$HOME/.cache}/lldb-testsuite) and not
# installed, as Debian's packages of two lldb exclude each other; the rest
# (clang-19 and Python's) is installed where it is missing. Tests come from the
# source package. As root, lldb-server's own binary is hidden while the suite
# runs: who starts it anyway is found in OUTDIR/real.
set -euo pipefail
limit=3000 again=
here=$(dirname "$(readlink -f "$0")")
usage() { sed -n '2,/^set -euo/p' "$0" | sed '$d;s/^# \{0,1\}//'; exit 2; }
while getopts t:kh o; do
    case $o in t) limit=$OPTARG ;; k) again=1 ;; *) usage ;; esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || usage
server=$1 out=$(mkdir -p "$2" && readlink -f "$2") dir=${3:-tools/lldb-server}
shift $(($# < 3 ? $# : 3))
list=
[ $# -gt 0 ] || list=$here/passes/$dir
cache=${LLDB_TS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lldb-testsuite}
llvm=$cache/root/usr/lib/llvm-19
unpacked='lldb-19 liblldb-19 python3-lldb-19'
installed='clang-19 lld-19 libclang-cpp19 libllvm19 libc++-19-dev
    python3-pexpect python3-packaging python3-psutil'

fetch_packages() {
    local missing=
    for p in ${installed/lld-19/}; do
        case $p in libc++*) continue ;; esac
        dpkg -s "$p" >/dev/null 2>&1 || missing+=" $p"
    done
    [ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing >/dev/null
    [ -e "$llvm/bin/lldb" ] && return
    mkdir -p "$cache/debs"
    (cd "$cache/debs" && apt-get download -q $unpacked >/dev/null 2>&1)
    for p in "$cache"/debs/*.deb; do
        dpkg -x "$p" "$cache/root"
    done
    [ -e "$llvm/lib/liblldb.so" ] || ln -s liblldb.so.1 "$llvm/lib/liblldb.so"
    for tool in clang clang++ llvm-ar llvm-objcopy llvm-strip FileCheck \
        dsymutil; do
        [ ! -e "/usr/lib/llvm-19/bin/$tool" ] || [ -e "$llvm/bin/$tool" ] ||
            ln -s "/usr/lib/llvm-19/bin/$tool" "$llvm/bin/$tool"
    done
}

fetch_tests() {
    local list=/etc/apt/sources.list.d/lldb-testsuite.sources
    ls -d "$cache"/llvm-toolchain-19_*/lldb/test >/dev/null 2>&1 && return
    sed 's/^Types: deb$/Types: deb-src/' \
        /etc/apt/sources.list.d/debian.sources >$list
    trap "rm -f $list" EXIT
    apt-get update -q >/dev/null
    (cd "$cache" && apt-get source --download-only llvm-toolchain-19 \
        >/dev/null 2>&1) || true
    rm -f $list
    (cd "$cache" && tar xf llvm-toolchain-19_*.orig.tar.xz --wildcards \
        '*/lldb/test/*' '*/lldb/packages/*' '*/lldb/use_lldb_suite_root.py' \
        '*/lldb/scripts/*')
    # The tests of the protocol take their server from the environment.
    sed -i 's|^    support_dir = lldb.SBHostOS|    if basename == "lldb-server" and os.environ.get("TEST_LLDB_SERVER"):\n        return os.environ["TEST_LLDB_SERVER"]\n    support_dir = lldb.SBHostOS|' \
        "$cache"/llvm-toolchain-19_*/lldb/packages/Python/lldbsuite/test/tools/lldb-server/lldbgdbserverutils.py
}

# Every start is written down: the suite may not have used what it was given.
# A test of lldb-dap's looks for a process of this name.
make_wrapper() {
    : >"$out/starts"
    : >"$out/real"
    mkdir -p "$out/named"
    ln -sf "$server" "$out/named/lldb-server"
    printf '#!/bin/sh\necho "$@" >>%q\nexec %q "$@"\n' "$out/starts" \
        "$out/named/lldb-server" >"$out/server"
    printf '#!/bin/sh\necho "$0 $*" >>%q\nexit 99\n' "$out/real" \
        >"$out/hidden"
    chmod +x "$out/server" "$out/hidden"
}

# In a mount namespace of its own, where that can be had.
run_suite() {
    local hide=
    if [ "$server" != "$llvm/bin/lldb-server" ] && [ "$(id -u)" = 0 ] &&
        unshare -m true 2>/dev/null; then
        for b in "$llvm/bin/lldb-server" /usr/lib/llvm-19/bin/lldb-server; do
            [ ! -e "$b" ] || hide+="mount --bind '$out/hidden' '$b'; "
        done
        unshare -m sh -c "$hide"' exec "$@"' sh "$@"
    else
        "$@"
    fi
}

dotest() {
    cd "$cache"/llvm-toolchain-19_*/
    LD_LIBRARY_PATH=$cache/root/usr/lib/x86_64-linux-gnu \
        PYTHONPATH=$llvm/lib/python3.11/site-packages \
        TEST_LLDB_SERVER=$out/server LLDB_DEBUGSERVER_PATH=$out/server \
        run_suite timeout "$limit" /usr/bin/python3 lldb/test/API/dotest.py \
        --executable "$llvm/bin/lldb" --llvm-tools-dir "$llvm/bin" \
        --lldb-libs-dir "$llvm/lib" --build-dir "$out/build" \
        -C /usr/bin/clang-19 --arch x86_64 "lldb/test/API/$dir" "$@"
}

results_of() {
    sed -n 's/^\(PASS\|FAIL\|ERROR\|XFAIL\|XPASS\|UNEXPECTED SUCCESS\|UNSUPPORTED\|CLEANUP ERROR\): LLDB ([^)]*) :: \([^ ]*\) (\([^ )]*\)).*/\1 \3/p' "$1" |
        sort -u
}

fetch_packages
fetch_tests
[ "$server" = - ] && server=$llvm/bin/lldb-server
server=$(readlink -f "$server")
make_wrapper
(dotest "$@") >"$out/log" 2>&1 || true
results_of "$out/log" >"$out/results"
if [ -n "$again" ]; then
    { grep -E '^(FAIL|ERROR) ' "$out/results" || true; } | while read -r status name; do
        (dotest -f "^${name##*.}\$") >"$out/again.log" 2>&1 || true
        results_of "$out/again.log" | grep -q "^PASS $name\$" || continue
        echo "passed when run again: $name"
        sed -i "s/^$status $name\$/PASS $name/" "$out/results"
    done
fi
cut -d' ' -f1 "$out/results" | sort | uniq -c
echo "$(wc -l <"$out/starts") starts of the server"
if [ -s "$out/real" ]; then
    echo "lldb-server was started $(wc -l <"$out/real") times: $out/real"
    exit 1
fi
grep -q '^Ran ' "$out/log" || { echo "it did not finish: $out/log"; exit 1; }
if [ -n "$list" ] && [ -e "$list" ]; then
    sed -n 's/^PASS //p' "$out/results" | sort -u >"$out/passed"
    missing=$(sort "$list" | comm -23 - "$out/passed")
    echo "$(wc -l <"$list") are to pass, $(wc -w <<<"$missing") did not"
    [ -z "$missing" ] || { echo "$missing"; exit 1; }
    exit 0
fi
! grep -qE '^(FAIL|ERROR|CLEANUP)' "$out/results"
