#!/usr/bin/env python3
"""Run real programs natively and followed, and compare all that they do.

usage: matrix.py [--server S] [--native] [--runs N] [--modes M,...]
                 [--inputs DIR] [--attach] [--show] [--list] [NAME...]

The same output, errors, status and files are wanted, nothing refused, and
few instructions executed natively. Modes are none, coverage, count. With
--attach each program runs natively and is followed in the middle, for a
random while. --runs 100 is for soaking; --native compares native runs with
each other. --list prints the names.
"""
import fcntl
import fnmatch
import hashlib
import os
import random
import sys
import time

import programs
import traced


def options_of(mode, tmp, program):
    return {"none": [], "count": ["--count"],
            "coverage": ["--coverage=%s/drcov" % tmp]}[mode] + \
        (["--follow-forks"] if program.forks else [])


def prepare(folder):
    """The inputs, made once, whoever comes first."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(folder, "made")):
            programs.make_inputs(folder)
            with open(os.path.join(folder, "made"), "w", encoding="utf-8"):
                pass


def files_of(folder):
    """{name: digest} of all files that a run has left in its folder."""
    out = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                out[os.path.relpath(path, folder)] = \
                    hashlib.md5(f.read()).hexdigest()
    return out


def environment(program):
    keep = {k: v for k, v in os.environ.items()
            if k in ("PATH", "HOME", "TERM", "JAVA_HOME", "TRACESTUB_HINTS")}
    return {**keep, "LC_ALL": "C", "TZ": "UTC", **program.env}


def in_folder(opt, program, how):
    """(Run, its files) of how(argv, cwd=..., ...) in a folder of its own,
    of which the path is always the same length."""
    stdin = b""
    if program.stdin:
        with open(os.path.join(opt.inputs, program.stdin), "rb") as f:
            stdin = f.read()
    with traced.folder() as tmp:
        os.mkdir(tmp + "/cwd")
        result = how(program.command(opt.inputs), tmp, stdin=stdin,
                     cwd=tmp + "/cwd", env=environment(program))
        for what in ("out", "err"):     # its name is another each time
            setattr(result, what,
                    getattr(result, what).replace(tmp.encode(), b"TMP"))
        return result, files_of(tmp + "/cwd")


def natively(opt, program):
    return in_folder(opt, program, lambda argv, tmp, **kw:
                     traced.run(argv, opt.limit, **kw))


def followed(opt, program, mode):
    return in_folder(opt, program, lambda argv, tmp, **kw:
                     traced.trace(opt, argv, options_of(mode, tmp, program),
                                  **kw))


def attached(opt, program, span):
    """span: about how long it runs natively, in seconds."""
    def how(argv, tmp, stdin=b"", **kw):
        with traced.start(argv, **kw) as p:
            if not stdin:
                p.stdin.close()
                p.stdin = None
            time.sleep(random.random() * span)
            follow_a_while(opt, p, program, span)
            return traced.finish(p, opt.limit, stdin)
    return in_folder(opt, program, how)


def follow_a_while(opt, p, program, span):
    if opt.native:
        return
    more = ["--follow-forks"] if program.forks else []
    r = traced.run([os.path.abspath(opt.server), "trace", *more,
                    "--duration=%.3f" % (random.random() * span * 2),
                    "--pid", str(p.pid)], opt.limit)
    if r.status != 0 and p.poll() is None:
        print("trace --pid: status %s: %s" % (r.status, r.err.decode()))


def conditions(program, stats):
    """What must hold of the counters, beside what always must."""
    out = ["native_other<=%d" %
           (program.native + stats.get("signals", 0))]
    if not program.jit:
        out.append("stops<=%d" % (2000 + 2 * stats.get("blocks", 0)))
    return out


def judge(opt, program, mode, native, run):
    bad = traced.differences(native[0], run[0])
    if native[1] != run[1]:
        bad.append("files differ: %s" % sorted(
            k for k in native[1].keys() | run[1].keys()
            if native[1].get(k) != run[1].get(k)))
    stats = run[0].stats
    if stats is not None:
        bad += traced.broken(stats, conditions(program, stats))
        if opt.show:
            print(program.name, " ".join("%s %d" % s for s in stats.items()
                                         if s[1]))
    if bad:
        print("%s, mode %s:\n%s" % (program.name, mode, "\n".join(bad)))
    return not bad


def one(opt, program):
    """(good runs, all runs)"""
    missing = program.missing()
    if missing:
        print("%s: not installed: %s" % (program.name, " ".join(missing)))
        return 0, 0
    t0 = time.monotonic()
    native = natively(opt, program)
    span = time.monotonic() - t0
    good = total = 0
    for mode in opt.modes.split(","):
        for _ in range(opt.runs):
            run = (attached(opt, program, span) if opt.attach else
                   followed(opt, program, mode))
            good += judge(opt, program, mode, native, run)
            total += 1
    return good, total


def main():
    opt = traced.arguments(
        __doc__, (["--modes"], {"default": os.environ.get("MODES", "none")}),
        (["--inputs"], {"default": "build/matrix"}),
        (["--attach"], {"action": "store_true"}),
        (["--show"], {"action": "store_true"}),
        (["--list"], {"action": "store_true"}), (["names"], {"nargs": "*"}))
    chosen = [p for p in programs.ALL if not opt.names or
              any(fnmatch.fnmatch(p.name, n) for n in opt.names)]
    if opt.list:
        print(" ".join(p.name for p in chosen))
        return
    opt.inputs = os.path.abspath(opt.inputs)
    prepare(opt.inputs)
    good = total = 0
    for program in chosen:
        g, t = one(opt, program)
        good, total = good + g, total + t
        if len(chosen) > 1 or t > 1:
            print("%-14s %d of %d runs as natively" % (program.name, g, t),
                  flush=True)
    if not total:
        traced.skip("nothing of that is here")
    sys.exit(good != total)


if __name__ == "__main__":
    main()
