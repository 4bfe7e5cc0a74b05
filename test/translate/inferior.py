#!/usr/bin/env python3
"""Run a row of test/translate/rows natively and followed, and compare.

usage: inferior.py [--server S] [--inferiors DIR] [--native] [--runs N]
                   [--modes none,coverage,count,...] [--show] ROW

Output, errors and exit status are to be the same, in each mode, and the
counters what the row says. --native (NATIVE=1) runs both sides natively: is
the row itself right? RUNS=50 repeats the followed side. --show prints the
counters.
"""
import os
import sys

import traced

ROWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rows")


def read_row(name):
    """(program and arguments, conditions)"""
    with open(ROWS, encoding="utf-8") as f:
        for line in f:
            fields = [x.strip() for x in line.split(":")]
            if not line.startswith("#") and fields[0] == name:
                return fields[1].split(), fields[2].split()
    sys.exit("no row %s" % name)


def mode_options(mode, tmp):
    return {"none": [], "count": ["--count"],
            "coverage": ["--coverage=" + os.path.join(tmp, "drcov")],
            "trace": ["--events=call,ret,exec,block,compile",
                      "--trace=" + os.path.join(tmp, "events")],
            "flow": ["--flow"], "recent": ["--flow=recent"],
            "forks": ["--follow-forks"],
            "exclude": ["--exclude=*"],
            "libs": ["--exclude=*.so*", "--count"],
            "native": ["--native=libc.so*", "--native=libgcc*",
                       "--native=libstdc*"]}[mode]


def take_options(conditions):
    """(options for trace that the row gives, the other conditions)"""
    ours = [c[1:] for c in conditions if c.startswith("+")]
    return ours, [c for c in conditions if not c.startswith("+")]


def take(conditions, name, default):
    """(the row's name=VALUE or the default, the other conditions)"""
    ours = [c for c in conditions if c.startswith(name + "=")]
    return (ours[0].split("=", 1)[1] if ours else default,
            [c for c in conditions if c not in ours])


def compare(opt, argv, conditions, mode, native):
    more, conditions = take_options(conditions)
    with traced.folder() as tmp:
        followed = traced.trace(opt, argv, mode_options(mode, tmp) + more,
                                cwd=tmp)
        bad = traced.differences(native, followed)
        if opt.show:
            print(" ".join("%s %d" % s for s in followed.stats.items() if s[1]))
        if followed.stats is not None:
            bad += traced.broken(followed.stats, conditions)
    if bad:
        print("mode %s:" % mode)
        print("\n".join(bad))
    return not bad


def main():
    opt = traced.arguments(
        __doc__, (["--modes"], {"default": os.environ.get("MODES", "none")}),
        (["--show"], {"action": "store_true"}), (["row"], {}))
    words, conditions = read_row(opt.row)
    wanted, conditions = take(conditions, "exit", 0)
    modes, conditions = take(conditions, "mode", opt.modes)
    hints, conditions = take(conditions, "hints", None)
    if hints:
        os.environ["TRACESTUB_HINTS"] = hints
    argv = [traced.program(opt, words[0]), *words[1:]]
    with traced.folder() as tmp:
        native = traced.run(argv, opt.limit, cwd=tmp)
    if native.status != int(wanted):
        print("\n".join(["natively it fails: status %s" % native.status,
                         traced.excerpt(native.out),
                         traced.excerpt(native.err)]))
        sys.exit(1)
    good = 0
    total = 0
    for mode in modes.split(","):
        for _ in range(opt.runs):
            good += compare(opt, argv, conditions, mode, native)
            total += 1
    if total > 1:
        print("%d of %d runs as natively" % (good, total))
    sys.exit(good != total)


if __name__ == "__main__":
    main()
