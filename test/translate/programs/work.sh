# Pipes, functions, here documents, traps, jobs, substitutions.
set -u
count() { local n=0; while read -r _; do n=$((n + 1)); done; echo "$n"; }
seq 1 300 | sed 's/7/seven/g' | grep -c seven
seq 1 200 | awk '{ s += $1 * NR } END { print s }'
for i in 1 2 3 4 5; do echo "$i $(echo $((i * i)) | rev)"; done | sort -rn | head -3
cat <<END | tr a-z A-Z
here is $(printf '%05d' 42) and ${HOME:+a home}
END
seq 1 500 | count
trap 'echo got USR1' USR1
kill -USR1 $$
(trap 'echo subshell ends' EXIT; false)
echo "status $?"
{ sleep 0.05; exit 7; } &
wait $!
echo "job ended with $?"
a=(); for i in {1..200}; do a+=("$((i * 7919 % 211))"); done
printf '%s\n' "${a[@]}" | sort -n | uniq | md5sum
s=abc; for i in {1..12}; do s="$s${s:0:3}$i"; done; echo "${#s} ${s//a/A}"
f() { [ "$1" -le 1 ] && echo 1 || echo $(($1 * $(f $(($1 - 1))))); }
f 8
[[ "key=value" =~ ^([a-z]+)=(.*)$ ]] && echo "${BASH_REMATCH[2]}"
timeout 0.05 sleep 5; echo "timeout $?"
sh -c 'kill -TERM $$'; echo "killed $?"
seq 1 2000 | xargs -n 100 -P 2 echo | tr ' ' '\n' | sort -n | md5sum
exit 5
