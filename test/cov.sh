#!/bin/sh
# cov.sh BUILD: lines reached of each source file, after a run of MODE=cov.
find "$1" -name '*.gcda' ! -path '*/test/*' -exec gcov -n {} + 2>/dev/null |
    awk -F "'" '
    /^File / { file = $2 }
    /^Lines executed:/ && file ~ /\.c$/ && file !~ /^\// {
        split($0, w, /[:% ]+/)
        lines = w[5]; hit = lines * w[3] / 100
        printf "%6.1f%% of %4d  %s\n", w[3], lines, file
        all += lines; got += hit; file = ""
    }
    END { if (all) printf "%6.1f%% of %4d  all\n", 100 * got / all, all }' |
    sort -k4
