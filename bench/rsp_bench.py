#!/usr/bin/env python3
"""rsp_bench.py - load client for GDB-remote-serial-protocol servers.

Starts a server from a command template, speaks RSP to it over TCP and times
one thing at a time.  Standard library only.  See README.md.

Each measurement is one JSON line on stdout:
  {"case", "server", "pin", "value", "unit", "n", ...}
value is null (with "note") where the server lacks the feature.
"""
import argparse
import json
import os
import statistics
import sys

import cases_basic
import cases_events
import cases_threads
import cases_watching
from cases import CASES, Ctx, locked
from rsp import RspError, Unsupported, elf_symbols
from server import BUILT, PRESETS, SYM, Server

TARGET = os.path.join(BUILT, "target")
assert cases_basic and cases_threads and cases_events and cases_watching    # they fill CASES


def run_case(name, server, opt):
    c = Ctx(server, opt)
    c.case = name
    try:
        CASES[name](c)
    except Unsupported as e:
        c.none(name, "-", e)
    except (RspError, OSError, TimeoutError) as e:
        if opt.traceback:
            raise
        c.none(name, "-", "failed: %s %s" % (type(e).__name__, e))
    return c.out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                 formatter_class=argparse.RawDescriptionHelpFormatter,
                                 epilog="cases:\n" + "\n".join("  %-13s %s" % (k, f.__doc__) for k, f in CASES.items()))
    ap.add_argument("--server", action="append", default=[], metavar="S",
                    help="preset (%s) or [NAME=]'CMD {port} {prog}[ ;; ATTACHCMD {port} {pid}]'" % ", ".join(PRESETS))
    ap.add_argument("--pair", nargs=2, metavar=("A", "B"), help="interleave A and B, print B/A per measurement")
    ap.add_argument("--case", action="append", default=[], metavar="C[,C]", help="cases to run (default all)")
    ap.add_argument("--reps", type=int, default=1, help="repetitions (interleaved over servers)")
    ap.add_argument("--pin", default="none", metavar="P[,P]",
                    help="none | same (server+inferior core0, client core1) | all (all on core0) | "
                         "split (server core0, inferior core1)")
    ap.add_argument("--core0", type=int, default=0)
    ap.add_argument("--core1", type=int, default=1)
    ap.add_argument("--dialect", choices=("gdb", "lldb"), help="override the server's dialect")
    ap.add_argument("--lock", default=os.environ.get("RSP_BENCH_LOCK"), help="flock this file around each timed part")
    ap.add_argument("--lock-scope", choices=("part", "round"), default="part",
                    help="lock each timed part, or one round of a case over all servers and pins")
    ap.add_argument("--target", default=TARGET)
    ap.add_argument("--threads", type=int, default=1000)
    ap.add_argument("--mb", type=int, default=64, help="heap size for mem-read/mem-write")
    ap.add_argument("--max-chunk", type=int, default=0x20000, help="cap on bytes per bulk packet")
    ap.add_argument("--budget", type=float, default=3.0, help="seconds after which a timed loop stops early")
    ap.add_argument("--timeout", type=float, default=30.0)
    ap.add_argument("--quick", type=float, default=1.0, metavar="F", help="multiply the repeat counts by F")
    ap.add_argument("--traceback", action="store_true")
    ap.add_argument("--verbose", action="store_true", help="let the server write to stderr")
    ap.add_argument("--summary", action="store_true", help="print a median table at the end (stderr)")
    opt = ap.parse_args()
    opt.scale = lambda n: max(2, int(n * opt.quick))
    if not os.path.exists(opt.target):
        ap.error("%s not built: run make" % opt.target)
    SYM.update(elf_symbols(opt.target))
    names = [x for a in opt.case for x in a.split(",")] or list(CASES)
    for n in names:
        if n not in CASES:
            ap.error("no case %s" % n)
    specs = list(opt.pair) if opt.pair else (opt.server or ["gdbserver"])
    servers = [Server(s, opt.dialect) for s in specs]
    if len({s.name for s in servers}) < len(servers):
        for i, s in enumerate(servers):
            s.name = "%s.%d" % (s.name, i)
    pins, res = opt.pin.split(","), {}
    allcpus = os.sched_getaffinity(0)
    for name in names:
        for rep in range(opt.reps):
            with locked(opt.lock if opt.lock_scope == "round" else None):
                for pin in pins:
                    opt.pin = pin
                    os.sched_setaffinity(0, {"none": allcpus, "same": {opt.core1}, "all": {opt.core0},
                                             "split": {opt.core1}}[pin])
                    order = servers if rep % 2 == 0 else servers[::-1]
                    for s in order:
                        for d in run_case(name, s, opt):
                            res.setdefault((d["case"], d["unit"]), {}).setdefault((s.name, pin), []).append(d["value"])
    os.sched_setaffinity(0, allcpus)

    def med(v):
        v = [x for x in v if x is not None]
        return statistics.median(v) if v else None

    if opt.pair:
        for (cs, unit), by in res.items():
            for pin in pins:
                a, b = (med(by.get((s.name, pin), [])) for s in servers)
                va, vb = ([x for x in by.get((s.name, pin), []) if x is not None] for s in servers)
                rr = [y / x for x, y in zip(va, vb) if x]
                print(json.dumps(dict(pair=cs, pin=pin, unit=unit, a=servers[0].name, b=servers[1].name, A=a, B=b,
                                      ratio=None if a in (None, 0) or b is None else float("%.4g" % (b / a)),
                                      ratio_min=float("%.4g" % min(rr)) if rr else None,
                                      ratio_max=float("%.4g" % max(rr)) if rr else None)), flush=True)
    if opt.summary:
        cols = [(s.name, p) for p in pins for s in servers]
        print("%-20s %-10s" % ("case", "unit") + "".join("%22s" % ("%s/%s" % k) for k in cols), file=sys.stderr)
        for (cs, unit), by in res.items():
            row = [med(by.get(k, [])) for k in cols]
            print("%-20s %-10s" % (cs, unit) + "".join("%22s" % ("-" if v is None else "%.5g" % v) for v in row),
                  file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
