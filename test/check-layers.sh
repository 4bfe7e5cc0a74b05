#!/bin/sh
# Who may include whom. A row: a folder (its subfolders follow it unless they
# have a row of their own) and the folders, or <outside headers>, that its
# files may name beside their own. What has no row may not exist.
cd "$(dirname "$0")/.." || exit 2
rows='
base
rsp                     base
arch                    base
agent                   base
xml                     base
target                  base arch agent
target/linux-ptrace     base arch agent target <sys/ptrace.h
tracepoint              base arch agent target
translate               base arch agent target <capstone/
trace                   base arch target translate <capstone/
server                  base rsp arch agent xml target tracepoint
server/qtrace           base rsp arch agent xml target tracepoint translate \
                        trace server
doc                     base rsp arch agent xml target server
main.c                  base rsp arch agent xml target target/linux-ptrace \
                        translate trace server options.h
options.h               server
options.c               base server target target/linux-ptrace translate \
                        options.h'

find . \( -path ./build -o -path ./test -o -path ./bench -o -path './.*' \) \
    -prune -o \( -name '*.[chS]' -o -name '*.def' \) -print | sed 's|^\./||' |
    xargs grep -H '^[[:space:]]*#[[:space:]]*include' |
    awk -v rows="$rows" '
    # server/qtrace*.c and .h are a folder of their own to all others.
    function row_of(path) {
        if (path ~ "^server/qtrace")
            path = "server/qtrace"
        while (!(path in may) && sub("/?[^/]*$", "", path) && path != "")
            ;
        return path
    }
    BEGIN {
        guarded = "<libxml/ <capstone/ <sys/ptrace.h"
        gsub(/\\\n/, "", rows)
        n = split(rows, line, "\n")
        for (i = 1; i <= n; i++)
            if (split(line[i], w, " "))
                may[w[1]] = " " line[i] " "
        n_guarded = split(guarded, guard, " ")
    }
    {
        file = $0; sub(":.*", "", file)
        inc = $0; sub("^[^<\"]*", "", inc)
        from = row_of(file)
        if (from == "" && !seen[file]++)
            bad = bad file ": its folder has no row\n"
        if (inc ~ /^"/) {
            inc = substr(inc, 2); sub("\".*", "", inc)
            to = row_of(inc)
        } else {
            to = ""
            for (i = 1; i <= n_guarded; i++)
                if (index(inc, guard[i]) == 1)
                    to = guard[i]
            if (to == "")
                next
        }
        if (from != "" && index(may[from], " " to " ") == 0)
            bad = bad file ": may not include " inc "\n"
    }
    END { printf "%s", bad; exit bad != "" }'
