#!/bin/bash
# check.sh SERVER OUTDIR: GDB's own test suite with SERVER in gdbserver's
# place, and what gdbserver passes there and SERVER does not.
#
#   SUITE=dev      the files of dev-subset.txt (default, about 7 minutes)
#   SUITE=whole    all of gdb.server, gdb.base and gdb.threads (half an hour)
#   SUITE='gdb.base/b*.exp ...'   these
#   SUITE=gdb.trace    tracepoints, which the others leave out
#   SUITE=gdb.btrace   branch history; against what tracestub passes itself
#   BOARD=native-extended-gdbserver    or native-stdio-gdbserver; default:
#                  native-gdbserver, which alone has a baseline for whole
#   JOBS=N         tests at a time (default: a job a CPU)
#   LIMIT=SECONDS  of one file (default 200)
#   ALL=1          files of needs-later.txt and not-followed.txt too
#   FOLLOW=1       programs run translated: SERVER --follow
#   CONDITIONS=compiled    those of breakpoints by translated code: SERVER
#                  --conditions=compiled
#
# Exit status: 0 when at least 99.5 % of what gdbserver passes is kept. The
# first run fetches gdb's source.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server=$(command -v "$1") out=$2
[ -n "$server" ] || { echo "no $1"; exit 2; }
for tool in runtest gdb g++; do
    command -v $tool >/dev/null ||
        { echo "no $tool here: ./bootstrap deps gdb-suite"; exit 2; }
done

board=${BOARD:-native-gdbserver}
base=$here/baseline/$board-whole.sum.xz
[ -e "$base" ] || base=$here/baseline/$board.sum.xz
[ -e "$base" ] || { echo "no baseline of a board $board"; exit 2; }
case ${SUITE:-dev} in
    dev) base=$here/baseline/$board.sum.xz list=dev-subset.txt
        [ "$board" = native-extended-gdbserver ] && list=dev-subset-extended.txt
        tests=("@$here/$list" '!gdb.trace') ;;
    whole) tests=(gdb.server gdb.base gdb.threads) ;;
    gdb.trace*) base=$here/baseline/trace.sum.xz
        read -ra tests <<<"$SUITE" ;;
    # gdbserver passes none of it without hardware: what we pass ourselves.
    gdb.btrace*) base=$here/baseline/btrace.sum.xz
        read -ra tests <<<"$SUITE" ;;
    *) read -ra tests <<<"$SUITE" ;;
esac
later=()
leave_out() {
    while read -r file _; do
        case $file in gdb.*) later+=(-x "$file") tests+=("!$file") ;; esac
    done <"$here/$1"
}
[ -n "${ALL-}" ] || leave_out needs-later.txt
[ -n "${ALL-}" ] || [ -z "${FOLLOW-}" ] || leave_out not-followed.txt

options=${FOLLOW:+--follow}${CONDITIONS:+ --conditions=$CONDITIONS}
if [ -n "$options" ]; then
    mkdir -p "$out" || exit 2
    printf '#!/bin/sh\nexec %q %s "$@"\n' "$(readlink -f "$server")" \
        "$options" >"$out/with-options"
    chmod +x "$out/with-options"
    server=$out/with-options
fi
"$here/run.sh" -j "${JOBS:-$(nproc)}" -t "${LIMIT:-200}" "$server" \
    "$board" "$out" "${tests[@]}" || exit 2
"$here/compare.py" ${later[@]+"${later[@]}"} -m 99.5 "$base" "$out/gdb.sum"
rc=$?
echo "left out, as they need what is not offered yet: $((${#later[@]} / 2))" \
    "files of needs-later.txt${FOLLOW:+ and not-followed.txt}"
exit $rc
