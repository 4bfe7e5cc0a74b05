#!/usr/bin/env python3
"""Run real programs with a code cache that is far too small, and compare.

usage: small.py [--server S] [--inputs DIR] [--show] [--list] [NAME...]

The same output, errors, status and files as natively are wanted, and that
parts of the cache were used again. --list prints the names.
"""
import fnmatch
import os
import sys

import matrix
import programs
import traced

# Of which cache: what of it they need otherwise is several times as much.
CACHES = {"python": "2M", "perl": "1M", "sqlite3": "1M", "cc1-O0": "7M",
          "bash": "1M", "java-int": "2M"}
MODES = {"python": "count", "perl": "coverage"}


def followed(opt, program):
    mode = MODES.get(program.name, "none")
    size = "--cache-size=" + CACHES[program.name]
    return matrix.in_folder(
        opt, program, lambda argv, tmp, **kw: traced.trace(
            opt, argv, [size, *matrix.options_of(mode, tmp, program)], **kw))


def judge(opt, program):
    native = matrix.natively(opt, program)
    run = followed(opt, program)
    bad = traced.differences(native[0], run[0])
    if native[1] != run[1]:
        bad.append("files differ")
    stats = run[0].stats
    if opt.show:
        print(program.name, " ".join("%s %d" % s for s in stats.items()))
    bad += traced.broken(stats, ["evictions>=8", "native_other<=1000000"])
    print("\n".join(bad))
    return not bad


def main():
    opt = traced.arguments(
        __doc__, (["--inputs"], {"default": "build/matrix"}),
        (["--show"], {"action": "store_true"}),
        (["--list"], {"action": "store_true"}), (["names"], {"nargs": "*"}))
    chosen = [p for p in programs.ALL if p.name in CACHES and
              (not opt.names or
               any(fnmatch.fnmatch(p.name, n) for n in opt.names))]
    if opt.list:
        print(" ".join(p.name for p in chosen))
        return
    opt.inputs = os.path.abspath(opt.inputs)
    matrix.prepare(opt.inputs)
    here = [p for p in chosen if not p.missing()]
    if not here:
        traced.skip("nothing of that is here")
    sys.exit(not all([judge(opt, p) for p in here]))


if __name__ == "__main__":
    main()
