#!/usr/bin/env python3
"""What is remembered of programs that were followed before (hints).

usage: hints.py [--server S] [CASE...]

Nothing of it may change what a program does: each run is compared with a
native one. What it is for is seen by the counters.
"""
import os
import random
import struct
import sys

import traced

MAGIC = b"tshints1"
PROGRAM = ["perl", "-e", "my %h = map { $_ => $_ ** 2 } 1 .. 50; "
           "print join(',', map { sprintf('%x', $h{$_}) } sort keys %h)"]


class Failed(Exception):
    pass


def check(what, *values):
    if not what:
        raise Failed(", ".join(str(v) for v in values))


def followed(opt, hints, argv=None, options=()):
    """A Run, the same as natively but for its counters."""
    argv = argv or PROGRAM
    native = traced.run(argv, opt.limit)
    run = traced.trace(opt, argv, options,
                       env={**os.environ, "TRACESTUB_HINTS": hints})
    bad = traced.differences(native, run)
    check(not bad, *bad)
    return run.stats


def exits(stats):
    return stats["exits"]


def files_in(folder):
    return sorted(f for f in os.listdir(folder) if not f.startswith("."))


def less_the_second_time(opt, tmp, options=()):
    """Stops for translation, and blocks that never run."""
    off = followed(opt, "off", options=options)
    cold = followed(opt, tmp, options=options)
    warm = followed(opt, tmp, options=options)
    check(cold["blocks"] > 0.9 * off["blocks"], cold["blocks"], off["blocks"])
    check(files_in(tmp), "no file was made")
    check(warm["blocks"] < 0.8 * cold["blocks"], warm["blocks"],
          cold["blocks"])
    check(exits(warm) < 0.4 * exits(cold), exits(warm), exits(cold))


def by_coverage(opt, tmp):
    with traced.folder() as other:
        less_the_second_time(opt, tmp,
                             ["--coverage=%s/drcov" % other])


def by_counting(opt, tmp):
    less_the_second_time(opt, tmp, ["--count"])


def counts_are_the_same(opt, tmp):
    """Less is translated, but what was executed is what was executed."""
    seen = []
    with traced.folder() as other:
        name = os.path.join(other, "counts")
        # As long in the program's environment: nowhere, twice there.
        for hints in ("/dev/null/".ljust(len(tmp), "-"), tmp, tmp):
            followed(opt, hints, ["expr", "1", "+", "2"],
                     ["--disable-randomization", "--count=" + name])
            with open(name, "rb") as f:
                seen.append(f.read())
    check(seen[0] == seen[1] == seen[2] != b"", "counts differ")


def within_a_session(opt, _):
    """Where nothing can be kept, it is known to the next process."""
    one, three = (["sh", "-c", "; ".join(n * ["expr 1 + 2"])] for n in (1, 3))
    options = ["--follow-forks"]

    def more(hints):
        return (exits(followed(opt, hints, three, options)) -
                exits(followed(opt, hints, one, options)))
    off, on = more("off"), more("/dev/null/nowhere")
    check(on < 0.5 * off, on, off)


def lies(opt, tmp):
    """Hints that are wrong: any place, within instructions and behind."""
    followed(opt, tmp)
    chance = random.Random(1)
    names = files_in(tmp)
    check(names, "no file was made")
    for _ in range(3):
        for name in names:
            places = sorted(chance.sample(range(1 << 21), 20000))
            with open(os.path.join(tmp, name), "wb") as f:
                f.write(MAGIC + struct.pack("<20000I", *places))
        followed(opt, tmp)
        # What it really ran is known now, too.
        check(exits(followed(opt, tmp)) <
              0.5 * exits(followed(opt, "off")), "nothing was learnt")


def nonsense(opt, tmp):
    followed(opt, tmp)
    for name in files_in(tmp):
        with open(os.path.join(tmp, name), "wb") as f:
            f.write(b"tshints1" + 4099 * b"\xff")
    cold = followed(opt, tmp)
    warm = followed(opt, tmp)
    check(exits(warm) < 0.4 * exits(cold), exits(warm), exits(cold))


def none_at_all(opt, tmp):
    home = {**os.environ, "HOME": tmp, "XDG_CACHE_HOME": ""}
    for env, there in (({"TRACESTUB_HINTS": "off"}, []),
                       ({"TRACESTUB_HINTS": ""}, ["tracestub"])):
        traced.trace(opt, PROGRAM, env={**home, **env})
        cache = os.path.join(tmp, ".cache")
        got = os.listdir(cache) if os.path.exists(cache) else []
        check(got == there, got, there)


CASES = (less_the_second_time, by_coverage, by_counting,
         counts_are_the_same, within_a_session, lies, nonsense, none_at_all)


def main():
    opt = traced.arguments(__doc__, (["names"], {"nargs": "*"}))
    opt.native = False
    failed = 0
    for case in CASES:
        if opt.names and case.__name__ not in opt.names:
            continue
        try:
            with traced.folder() as tmp:
                case(opt, tmp)
        except Failed as e:
            failed += 1
            print("%s: %s" % (case.__name__, e))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
