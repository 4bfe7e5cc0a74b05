#!/usr/bin/env python3
"""How much slower programs are when they run translated.

usage: bench.py SERVER DIR [--runs N] [--modes M,...] [--loads W,...]
                [--quick] [--cold] [--core N] [--log FILE] [--all]

Prints, for each mode (none, coverage, count, flow-ring, flow-drain, record,
callgrind), the CPU time of program and server together over that of the program
alone, start-up and translation included: medians of N runs, natively and each
mode by turns, all on one core but the last three. Beside each is the bound of
wanted.txt; geo8 is the geometric mean of all but cc1-O2, ls and git. Others that
translate programs are modes too (valgrind, qemu). What a program prints is
compared. Each was followed once before, as with a user who
runs it again (TRACESTUB_HINTS); with --cold nothing is remembered of that.

--quick is for a look: small inputs, one run, ratios that are too high. --all
also shows wall time and memory. DIR keeps the inputs. Only ratios of one run
can be compared; nothing here is a test.
"""
import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import inputs

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 300     # seconds for one run
# Those that are over soon are run so often in each run.
OFTEN = {"ls": 8, "git": 20, "cc1-O0": 2}
OUT_OF_GEO = ("cc1-O2", "ls", "git")
MODES = {"none": [], "coverage": ["--coverage={}/drcov"],
         "count": ["--count"]}
# Everything that is executed is logged, by names of --modes: the last blocks
# are kept, or all are read by a thread of the server on another core, for
# nobody, for a trace file, for a profile.
MORE_MODES = {"flow-ring": ["--flow=recent"], "flow-drain": ["--flow"],
              "record": ["--record={}/trace"],
              "callgrind": ["--callgrind={}/callgrind"]}
DRAINED = ("flow-drain", "record", "callgrind")
# Others that translate, and do nothing else.
PEERS = {"valgrind": ["valgrind", "-q", "--tool=none"],
         "qemu": ["qemu-x86_64"]}


def workloads(d):
    """{name: command}"""
    cc1 = subprocess.run(["gcc", "-print-prog-name=cc1"], check=False,
                         stdout=subprocess.PIPE, text=True).stdout.strip()
    compile_ = [cc1, "-quiet", "-fpreprocessed", d + "/big.i",
                "-o", "/dev/null"]
    return {
        "bzip2": ["bzip2", "-k", "-c", "-9", d + "/text20"],
        "xz": ["xz", "-T1", "-3", "-k", "-c", d + "/text4"],
        "gzip": ["gzip", "-9", "-n", "-k", "-c", d + "/text48"],
        "sqlite": ["sqlite3", "-init", d + "/w.sql", ":memory:", ".quit"],
        "lua": ["lua5.4", d + "/w.lua"],
        "python": ["/usr/bin/python3", "-I", "-S", d + "/w.py"],
        "perl": ["/usr/bin/perl", d + "/w.pl", d + "/text20"],
        "cc1-O2": compile_ + ["-O2"],
        "cc1-O0": compile_ + ["-O0"],
        "ls": ["ls", "-lR", "/usr/share/doc"],
        "git": ["git", "--version"],
    }


class Once:
    """One run: seconds of CPU and of wall time, memory, status, digest."""

    def __init__(self, argv, cores, out):
        begin = time.monotonic()
        with open(out, "wb") as f:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f,
                                 stderr=subprocess.STDOUT, env=environment(),
                                 preexec_fn=lambda: os.sched_setaffinity(
                                     0, cores))
            status, usage = wait_for(p)
        self.wall = time.monotonic() - begin
        self.cpu = usage.ru_utime + usage.ru_stime
        self.rss = usage.ru_maxrss
        with open(out, "rb") as f:
            self.result = status, hashlib.md5(f.read()).hexdigest()


def environment():
    return {"PATH": os.environ["PATH"], "HOME": "/nowhere", "LC_ALL": "C",
            "PYTHONHASHSEED": "0", "PERL_HASH_SEED": "0",
            "TRACESTUB_HINTS": os.environ["TRACESTUB_HINTS"]}


def wait_for(p):
    """wait4 without a limit loses a hanging run; SIGALRM ends it."""
    limit = time.monotonic() + LIMIT
    pause = 0.001
    while True:
        pid, status, usage = os.wait4(p.pid, os.WNOHANG)
        if pid:
            p.returncode = os.waitstatus_to_exitcode(status)
            return p.returncode, usage
        if time.monotonic() > limit:
            p.kill()
        time.sleep(pause)
        pause = min(pause * 1.2, 0.02)


def warm_up(opt, commands):
    os.environ["TRACESTUB_HINTS"] = "off" if opt.cold else opt.dir + "/hints"
    for name, argv in {} if opt.cold else commands.items():
        show_progress("once: " + name)
        Once([opt.server, "trace", "--"] + argv, {opt.core}, opt.dir + "/out")


def starter(opt, mode):
    """What a command is preceded by."""
    if mode in PEERS:
        return PEERS[mode]
    return [opt.server, "trace"] + [
        o.format(opt.dir) for o in {**MODES, **MORE_MODES}[mode]] + ["--"]


def measure(opt, commands):
    """{(workload, mode): [Once]}; mode '' is native"""
    seen, bad = {}, {}
    modes = {"": [], **{m: starter(opt, m) for m in opt.modes}}
    for n in range(opt.runs):
        for name, argv in commands.items():
            for _ in range(1 if opt.quick else OFTEN.get(name, 1)):
                for mode, prefix in modes.items():
                    cores = os.sched_getaffinity(0) \
                        if mode in DRAINED else {opt.core}
                    once = Once(prefix + argv, cores, opt.dir + "/out")
                    seen.setdefault((name, mode), []).append(once)
                    if once.result != seen[name, ""][0].result:
                        bad[name, mode] = once.result
            show_progress("run %d of %d: %s" % (n + 1, opt.runs, name))
    show_progress("")
    return seen, bad


def show_progress(text):
    if sys.stderr.isatty():
        print("\r\x1b[K" + text, end="", file=sys.stderr, flush=True)


def ratio(seen, name, mode, what="cpu"):
    def middle(m):
        return statistics.median(getattr(o, what) for o in seen[name, m])
    return middle(mode) / max(middle(""), 1e-6)


def read_wanted():
    out = {}
    with open(os.path.join(HERE, "wanted.txt"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, *values = line.split()
                out[name] = dict(zip(("none", "coverage", "count",
                                      "callgrind"), map(float, values)))
    return out


def table(title, rows, modes, wanted):
    """rows: {name: {mode: ratio}}. * marks what is above its bound."""
    print("\n%s" % title)
    print("%-8s" % "" + "".join("%20s" % (m + " (wanted)" if wanted else m)
                                for m in modes))
    for name, values in rows.items():
        line = "%-8s" % name
        for m in modes:
            bound = wanted.get(name, {}).get(m)
            text = "%.3f" % values[m]
            if bound:
                text += "%s (%.2f)" % (
                    "*" if values[m] > bound else " ", bound)
            line += "%20s" % text
        print(line)


def report(opt, seen, names):
    def rows(what):
        out = {n: {m: ratio(seen, n, m, what) for m in opt.modes}
               for n in names}
        geo = [n for n in names if n not in OUT_OF_GEO]
        if len(geo) > 1:
            out["geo%d" % len(geo)] = {m: statistics.geometric_mean(
                out[n][m] for n in geo) for m in opt.modes}
        return out
    table("CPU of program and server over native, medians of %d" % opt.runs,
          rows("cpu"), opt.modes, read_wanted())
    if opt.all:
        table("wall time over native", rows("wall"), opt.modes, {})
        table("largest process over native", rows("rss"), opt.modes, {})
    if opt.log:
        with open(opt.log, "a", encoding="utf-8") as f:
            f.write(json.dumps({"cpu": rows("cpu"), "runs": opt.runs,
                                "load": os.getloadavg()[0]}) + "\n")


def parse():
    ap = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    env = os.environ.get
    ap.add_argument("server")
    ap.add_argument("dir")
    ap.add_argument("--runs", type=int, default=int(env("RUNS", 2)))
    ap.add_argument("--modes", default=env("MODES", ",".join(MODES)))
    ap.add_argument("--loads", default=env("LOADS", ""))
    ap.add_argument("--quick", action="store_true", default=bool(env("QUICK")))
    ap.add_argument("--cold", action="store_true", default=bool(env("COLD")))
    ap.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)))
    ap.add_argument("--log", default=env("LOG"))
    ap.add_argument("--all", action="store_true")
    opt = ap.parse_args()
    opt.modes = opt.modes.split(",")
    opt.server = os.path.abspath(opt.server)
    opt.dir = os.path.abspath(opt.dir)
    return opt


def main():
    opt = parse()
    if opt.quick:
        opt.runs = 1
    folder = opt.dir + ("/quick" if opt.quick else "/in")
    inputs.make(folder, 0.1 if opt.quick else 1)
    commands = {n: [shutil.which(c[0]) or c[0]] + c[1:]
                for n, c in workloads(folder).items()
                if not opt.loads or n in opt.loads.split(",")}
    for name in [n for n, c in commands.items() if not shutil.which(c[0])]:
        print("%s: not installed: %s" % (name, commands.pop(name)[0]))
    for mode in [m for m in opt.modes if not shutil.which(starter(opt, m)[0])]:
        print("not installed: %s" % mode)
        opt.modes.remove(mode)
    if os.getloadavg()[0] > 1:
        print("load %.1f: others run here too" % os.getloadavg()[0])
    warm_up(opt, commands)
    seen, bad = measure(opt, commands)
    report(opt, seen, list(commands))
    for (name, mode), result in bad.items():
        print("%s, mode %s: another result than natively: status %d" % (
            name, mode or "native", result[0]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
