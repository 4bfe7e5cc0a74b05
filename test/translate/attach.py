#!/usr/bin/env python3
"""Follow programs that run already, let them go, and follow them again.

usage: attach.py [--server S] [--inferiors DIR] [--native] [--runs N]
                 [--times N] [--kill] [--show] [--options='--exclude=* ...']
                 [--list GLOB] [NAME...]

Each program does all its cases again and again until it is told to end
(TR_UNTIL), while `tracestub trace --pid` follows it now and then. What it
prints and its status are to be what they are natively. After each time
nothing of the translator is left: a quiet program's mappings, descriptors,
processors are those before. With --kill the server is killed (-9) each time,
and the programs must live on all the same.
"""
import fnmatch
import os
import random
import sys
import time

import traced

# What can be done any number of times, and prints only in its first round.
NAMES = """tr_branch tr_indirect tr_riprel tr_state tr_vector tr_syscall
tr_restart tr_memfault tr_signal tr_precise tr_timer tr_context tr_throw
tr_thread tr_clone tr_process tr_gs tr_jit tr_patch tr_implied tr_dlopen
tr_excluded""".split()
# Cases to run of those that have others.
CASES = {"tr_vector": ["saved", "rounding"],
         "tr_memfault": ["branches_escape", "branches_repair"],
         "tr_signal": "changed skipped left nested stacks queued".split(),
         "tr_throw": "thrown rethrown callbacks threads".split(),
         "tr_thread": "storm busy shared signalled detached".split(),
         "tr_clone": "plain memory vfork_like threads clone3 registers".split(),
         "tr_gs": ["others"],
         "tr_excluded": "called flags_kept by_plt thrown jumped called_back "
                        "looked_at interrupted in_threads".split(),
         "tr_syscall": ["registers", "branches", "errors"]}
# What maps, opens and starts nothing once it has begun.
QUIET = "tr_branch tr_state tr_context tr_riprel tr_precise".split()
# Has mappings of its own that are code and no file's.
MAKES_CODE = "tr_jit tr_patch tr_implied".split()
WARM_MOST = 4   # seconds until the server is killed
LONG = 10       # seconds of following, at most, until there are blocks
PAUSE = 0.2     # seconds, at most, that it runs alone in between


def mappings(pid):
    """[[addresses, permissions, offset, device, inode, name]]"""
    with open("/proc/%d/maps" % pid, encoding="utf-8") as f:
        return [line.strip().split(None, 5) for line in f]


def ours(pid):
    """Executable mappings without a file, and all that are of a memfd."""
    return [" ".join(x) for x in mappings(pid) if "memfd:" in x[-1] or
            (len(x) < 6 and "x" in x[1])]


def facts(pid):
    """What of a quiet program does not change by itself."""
    out = [" ".join(x) for x in mappings(pid)
           if x[-1] not in ("[stack]", "[heap]")]
    out += ["fd %s" % n for n in sorted(os.listdir("/proc/%d/fd" % pid))]
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        out += [line.strip() for line in f if line.startswith(
            ("TracerPid", "Cpus_allowed", "SigIgn", "Threads", "NoNewPrivs"))]
    return out


def changes(before, after):
    return ["- " + x for x in before if x not in after] + \
        ["+ " + x for x in after if x not in before]


def busy(pid):
    """Seconds of processor time, with its threads'."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def kill(argv, pid, seconds):
    """Ends the server without warning, when most is translated: on a busy
    machine that takes longer, but some programs mostly sleep."""
    with traced.start(argv) as p:
        wanted = 0.25 + seconds * random.random()
        begun, before = time.monotonic(), busy(pid)
        time.sleep(wanted)
        while busy(pid) + busy(p.pid) - before < wanted and \
                time.monotonic() - begun < WARM_MOST:
            time.sleep(0.02)
        p.kill()
        p.communicate()


def trace(opt, pid, seconds):
    """Complaints about one trace, and its counters."""
    stats = {}
    path = "%s/stats" % opt.tmp
    argv = [os.path.abspath(opt.server), "trace", "--stats=" + path,
            "--duration=%g" % (opt.limit if opt.kill else seconds),
            *opt.options.split(), "--pid", str(pid)]
    if opt.kill:
        kill(argv, pid, seconds)
        return [], stats
    r = traced.run(argv, opt.limit)
    if os.path.exists(path):
        stats = traced.read_stats(path)
        os.unlink(path)
    if r.status != 0 or r.err:
        return ["trace --pid: status %s\n%s" % (r.status,
                                                traced.excerpt(r.err))], stats
    return [], stats


def follow(opt, pid, seconds):
    """The same, until it has done something: it may be waiting for another
    process or, on a busy machine, for a processor all the time."""
    if opt.native:
        time.sleep(seconds)
        return [], {}
    while True:
        bad, stats = trace(opt, pid, seconds)
        if opt.kill or bad or stats.get("blocks"):
            return bad, stats
        seconds *= 2
        if seconds > LONG:
            return ["no block was translated"], stats


def alive(p):
    return p.poll() is None


def one(opt, name, native):
    argv = [traced.program(opt, name), *CASES.get(name, [])]
    over = os.path.join(opt.tmp, "over")
    env = dict(os.environ, TR_UNTIL=over)
    left, bad = [], []
    with traced.start(argv, env) as p:
        time.sleep(PAUSE)
        before = facts(p.pid)
        for _ in range(opt.times):
            time.sleep(random.random() * PAUSE)
            if not alive(p):
                bad.append("it ended too soon")
                break
            more, stats = follow(opt, p.pid, 0.1 + random.random() * 0.3)
            bad += more
            if opt.show:
                print(name, stats)
            left = left or (changes(before, facts(p.pid)) if name in QUIET
                            else ours(p.pid))
        with open(over, "w", encoding="utf-8"):
            pass
        result = traced.finish(p, opt.limit)
    os.unlink(over)
    bad += traced.differences(native, result)
    if left and not opt.kill and name not in MAKES_CODE:
        bad += ["left behind: " + x for x in left]
    return bad


def main():
    opt = traced.arguments(
        __doc__, (["--times"], {"type": int, "default": 4}),
        (["--list"], {"metavar": "GLOB"}),
        (["--kill"], {"action": "store_true"}),
        (["--options"], {"default": ""}),
        (["--show"], {"action": "store_true"}), (["names"], {"nargs": "*"}))
    if opt.list:
        print(" ".join(fnmatch.filter(NAMES, opt.list)))
        return
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
