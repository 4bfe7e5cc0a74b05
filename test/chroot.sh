#!/bin/bash
# A fresh machine to try ./bootstrap on: makes a minimal Debian by debootstrap,
# clones HEAD into it, runs the commands given there, takes it away again.
#
#   test/chroot.sh [-k] [-d DIR] [-s SUITE] [COMMAND...]
#
#   COMMAND   run in the clone (default: ./bootstrap demo, then check)
#   -d DIR    where (default: a new directory in ${TMPDIR:-/tmp}); a machine
#             that -k left there is used again
#   -k        keep it
#   -s SUITE  bookworm by default; MIRROR names another mirror
#
# Needs root and debootstrap. It has its own mounts and process numbers, so
# that nothing of it is left when it ends.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The mirror that this machine uses itself.
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' | grep -v security | head -n 1)}
keep='' dir='' suite=bookworm
while getopts kd:s: o; do
    case $o in
        k) keep=1 ;;
        d) dir=$OPTARG ;;
        s) suite=$OPTARG ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ "$(id -u)" = 0 ] || { echo 'chroot.sh: needs root' >&2; exit 2; }
command -v debootstrap >/dev/null ||
    { echo 'chroot.sh: needs debootstrap' >&2; exit 2; }

[ -n "$dir" ] || dir=$(mktemp -d "${TMPDIR:-/tmp}/tracestub-chroot.XXXXXX")
cleanup() {
    [ -z "$keep" ] || return
    rm -rf --one-file-system "$dir/root" "$dir/log" "$dir/ready"
    rmdir --ignore-fail-on-non-empty "$dir"
}
mkdir -p "$dir"
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ ! -e "$dir/ready" ]; then
    debootstrap --variant=minbase "$suite" "$dir/root" "$mirror" >"$dir/log" ||
        { tail "$dir/log"; exit 1; }
    # this machine's ways to the network
    apt-config dump | grep '^Acquire::\|^APT::Install' \
        >"$dir/root/etc/apt/apt.conf.d/zz-host" || :
    cp /etc/resolv.conf /etc/hosts "$dir/root/etc/"
    touch "$dir/ready"
fi
rm -rf "$dir/root/home/tracestub"
git clone -q --no-hardlinks "$here" "$dir/root/home/tracestub"

cat >"$dir/root/sbin/in-clone" <<'END'
#!/bin/bash
# $1: a command for the clone
mount -t proc proc /proc
cd /home/tracestub && eval "$1"
END
chmod +x "$dir/root/sbin/in-clone"

[ $# -gt 0 ] || set -- './bootstrap demo' './bootstrap check'
for command; do
    echo "== $command"
    SECONDS=0 rc=0
    unshare --mount --pid --fork --kill-child --propagation private \
        bash -c 'mount --rbind /dev "$1/dev" && exec env -i TERM=dumb \
            HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            chroot "$1" in-clone "$2"' - "$dir/root" "$command" </dev/null || rc=$?
    echo "== exit status $rc after $SECONDS s"
    [ $rc = 0 ] || exit $rc
done
