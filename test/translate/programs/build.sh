# cc1, as, collect2, ld, and what they made.
set -e
gcc -O2 -g -ffile-prefix-map="$PWD"=. -c "$1/big.c" -o big.o
gcc -O0 -S "$1/big.c" -o - | md5sum
gcc -O1 "$1/main.c" -o main && ./main
objdump -d big.o | md5sum
ar rcs lib.a big.o && nm lib.a | md5sum
strip -o stripped main && ./stripped
gcc -c "$1/bad.c" -o bad.o 2>&1 || echo "failed $?"
