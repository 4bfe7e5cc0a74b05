#!/usr/bin/env python3
"""Follow programs that run already, let them go, and follow them again.

usage: attach.py [--server S] [--inferiors DIR] [--native] [--runs N]
                 [--times N] [--show] [NAME...]

Each program does all its cases again and again until it is told to end
(TR_MS), while `tracestub trace --pid` follows it now and then. What it
prints and its status are to be what they are natively. After each time
nothing of the translator is left: mappings and descriptors are those before.
"""
import os
import random
import sys
import time

import traced

# What can be done any number of times, and prints only in its first round.
NAMES = """tr_branch tr_indirect tr_riprel tr_state tr_vector tr_syscall
tr_restart tr_memfault tr_signal tr_precise tr_timer tr_context tr_throw
tr_thread tr_process tr_jit tr_patch tr_dlopen""".split()
# Cases to run of those that have others.
CASES = {"tr_vector": ["saved", "rounding"],
         "tr_memfault": ["branches_escape", "branches_repair"],
         "tr_signal": "changed skipped left nested stacks queued".split(),
         "tr_throw": "thrown rethrown callbacks threads".split(),
         "tr_thread": "storm busy shared signalled detached".split(),
         "tr_syscall": ["registers", "branches", "errors"]}
PAUSE = 0.2     # seconds, at most, that it runs alone in between


def files(pid):
    """What its descriptors are, but for pipes' numbers."""
    path = "/proc/%d/fd" % pid
    return sorted(os.listdir(path))


def mappings(pid):
    """Executable mappings without a file, and all that are of a memfd."""
    with open("/proc/%d/maps" % pid, encoding="utf-8") as f:
        lines = [line.split(None, 5) for line in f]
    return [x for x in lines if "memfd:" in x[-1] or
            (len(x) < 6 and "x" in x[1])]


def follow(opt, pid, seconds):
    """Complaints about one time."""
    if opt.native:
        time.sleep(seconds)
        return [], {}
    stats = {}
    path = "%s/stats" % opt.tmp
    r = traced.run([os.path.abspath(opt.server), "trace", "--stats=" + path,
                    "--duration=%g" % seconds, "--pid", str(pid)], opt.limit)
    if os.path.exists(path):
        stats = traced.read_stats(path)
        os.unlink(path)
    bad = []
    if r.status != 0 or r.err:
        bad.append("trace --pid: status %s\n%s" % (r.status,
                                                   traced.excerpt(r.err)))
    if not stats.get("blocks"):
        bad.append("no block was translated")
    return bad, stats


def alive(p):
    return p.poll() is None


def one(opt, name, native):
    argv = [traced.program(opt, name), *CASES.get(name, [])]
    env = dict(os.environ, TR_MS=str(opt.times * 800 + 1000))
    left, bad = None, []
    with traced.start(argv, env) as p:
        for _ in range(opt.times):
            time.sleep(random.random() * PAUSE)
            if not alive(p):
                bad.append("it ended too soon")
                break
            more, stats = follow(opt, p.pid, 0.1 + random.random() * 0.3)
            bad += more
            if opt.show:
                print(name, stats)
            left = left or mappings(p.pid)
        result = traced.finish(p, opt.limit)
    bad += traced.differences(native, result)
    if left and name not in ("tr_jit", "tr_patch"):
        bad.append("left behind: %s" % left)
    return bad


def main():
    opt = traced.arguments(
        __doc__, (["--times"], {"type": int, "default": 4}),
        (["--show"], {"action": "store_true"}), (["names"], {"nargs": "*"}))
    failed = 0
    with traced.folder() as opt.tmp:
        for name in opt.names or NAMES:
            argv = [traced.program(opt, name), *CASES.get(name, [])]
            native = traced.run(argv, opt.limit)
            for _ in range(opt.runs):
                bad = one(opt, name, native)
                failed += bool(bad)
                if bad:
                    print("%s:\n%s" % (name, "\n".join(bad)))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
