#!/bin/sh
# build.sh OUT COMPILER FLAGS SOURCE: one inferior. Where the compiler (or the
# library that the flags need) is missing, OUT.skip says so instead, and the
# tests that want OUT are skipped; an error in SOURCE is an error.
out=$1 compiler=$2 flags=$3 source=$4
rm -f "$out" "$out.skip"
probe=$out.probe.c
case $compiler in
    go) go version >/dev/null 2>&1 && GO111MODULE=off \
            exec go build $flags -o "$out" "$source" ;;
    rustc) rustc --version >/dev/null 2>&1 &&
            exec rustc -g $flags -o "$out" "$source" ;;
    *)
        echo 'int main(void) { return 0; }' > "$probe"
        $compiler $flags -o "$out.probe" "$probe" >/dev/null 2>&1
        usable=$?
        rm -f "$probe" "$out.probe"
        [ $usable = 0 ] && exec $compiler -g -O0 -Wall $flags -o "$out" "$source"
        ;;
esac
echo "not built here: $compiler $flags" > "$out.skip"
