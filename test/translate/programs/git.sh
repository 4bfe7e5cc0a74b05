# A small history: made, branched, merged, packed, checked.
set -e
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b
export GIT_CONFIG_NOSYSTEM=1 HOME=$PWD
git init -q -b main r && cd r
git config gc.auto 0
for i in 1 2 3 4 5 6; do
    for f in a b c; do seq $i $((i * 40)) > $f$i; done
    git add . && git commit -q -m "change $i"
done
git checkout -q -b side HEAD~2 && echo side > side && git add side && git commit -q -m side
git checkout -q main && git merge -q --no-edit side
git log --format='%h %s' && git diff --stat HEAD~3 && git show --stat HEAD~1 | tail -3
git blame -s a3 | head -2 && git grep -c 17 && git repack -q -a -d && git fsck --strict
git status --short && git archive HEAD | md5sum && git rev-parse HEAD
rm .git/index    # times are in it
