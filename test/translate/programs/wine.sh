# wine.sh INPUTS WORD...: a Windows program in the prefix of the inputs, and the
# end of the server that it has started.
export WINEPREFIX="$1/wine" WINEDEBUG=-all DISPLAY=
shift
wine "$@"
status=$?
wineserver -w
exit $status
