#!/usr/bin/env python3
"""Compare a server with gdbserver and with the floor, in one run.

usage: bench.py SERVER DIR        (make bench; DIR has target and nullstub)

  REPS=N      repetitions, interleaved (3); the medians count
  QUICK=F     scales the work of each (1)
  CASES=a,b   some cases of rsp_bench.py only
  LOG=FILE    keep every measurement, a JSON line each

Prints tables of ratios beside the wanted ones of wanted.txt: everything on one
core, then server and program on different cores; with LLDB=1, everything on one
core as lldb speaks, beside lldb-server. A ratio above 1 is
better than gdbserver, whatever the unit. Nothing here is a test: machines are
noisy, only figures of one run can be compared.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SPLIT = ("step", "range-step", "condbreak", "signals")
LOWER = ("ms", "us", "kB", "times")      # units in which less is better


def read_wanted():
    """[(measurement, wanted, of)]; measurement may begin with split:"""
    with open(os.path.join(HERE, "wanted.txt"), encoding="utf-8") as f:
        return [line.split() for line in f
                if line.strip() and not line.startswith("#")]


def measure(pair, pin, cases, built, *more):
    """{measurement: (unit, value of A, value of B)}"""
    argv = [sys.executable, os.path.join(HERE, "rsp_bench.py"), "--pair", *pair,
            "--pin", pin, "--reps", os.environ.get("REPS", "3"),
            "--quick", os.environ.get("QUICK", "1"),
            "--max-chunk", str(1 << 20), *more]
    if cases:
        argv += ["--case", ",".join(cases)]
    env = dict(os.environ, BENCH_BUILT=built)
    out, log = {}, os.environ.get("LOG")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True,
                          env=env) as p:
        for line in p.stdout:
            d = json.loads(line)
            if log:
                with open(log, "a", encoding="utf-8") as f:
                    f.write(line)
            if "pair" in d and d["unit"] != "-":
                out[d["pair"]] = d["unit"], d["A"], d["B"]
            elif d.get("note"):
                print("# %s, %s: %s" % (d["case"], d["server"], d["note"]),
                      file=sys.stderr)
    if p.returncode:
        sys.exit("rsp_bench.py failed")
    return out


def ratio(unit, a, b):
    if not a or not b:
        return None
    return a / b if unit in LOWER else b / a


def show(value):
    return "-" if value is None else "%.4g" % value


def judged(wanted, of, unit, a, b):
    """(ratio as text, whether the wanted one is reached)"""
    if not wanted.endswith("x"):
        if b is None:
            return "-", False
        good = b <= float(wanted) if unit in LOWER else b >= float(wanted)
        return show(b), good
    r = ratio(unit, a, b)
    return (show(r) + "x" if r else "-",
            r is not None and r >= float(wanted[:-1]))


def table(title, rows, results):
    """rows: (measurement, wanted, of); results: {of: {measurement: ...}}"""
    print("\n%s\n%-20s %12s %12s %-10s %9s %8s" % (
        title, "", "reference", "ours", "unit", "reached", "wanted"))
    missed = 0
    for name, wanted, of in rows:
        got = results["floor" if of == "floor" else "gdbserver"].get(name)
        if got is None:
            continue
        text, good = judged(wanted, of, *got)
        missed += not good
        print("%-20s %12s %12s %-10s %9s %8s %s%s" % (
            name, show(got[1]), show(got[2]), got[0], text, wanted,
            "floor" if of == "floor" else "", "" if good else "  <<"))
    print("%d missed (<<)" % missed)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    server, built = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    ours = ("ours=%s --once 127.0.0.1:{port} {prog} ;; "
            "%s --once --attach 127.0.0.1:{port} {pid}" % (server, server))
    cases = [c for c in os.environ.get("CASES", "").split(",") if c]
    wanted = read_wanted()
    if os.environ.get("LLDB"):
        lldb(server, cases, built, wanted)
        return
    results = {"gdbserver": measure(("gdbserver", ours), "all", cases, built),
               "floor": {}}
    if not cases or "latency" in cases:
        results["floor"] = measure(("nullstub", ours), "all", ["latency"],
                                   built)
    table("Everything on one core (--pin all)",
          [w for w in wanted if ":" not in w[0]], results)
    split = [c for c in SPLIT if not cases or c in cases]
    if split and len(os.sched_getaffinity(0)) > 1:
        got = measure(("gdbserver", ours), "split", split, built)
        table("Server and program on different cores (--pin split)",
              [(n[6:], w, of) for n, w, of in wanted
               if n.startswith("split:")], {"gdbserver": got})


def lldb(server, cases, built, wanted):
    ours = ("ours=%s gdbserver 127.0.0.1:{port} -- {prog} ;; "
            "%s gdbserver 127.0.0.1:{port} --attach {pid}" % (server, server))
    got = measure(("lldb-server", ours), "all", cases, built,
                  "--dialect", "lldb")
    table("As lldb speaks, beside lldb-server (--pin all --dialect lldb)",
          [(n[5:], w, of) for n, w, of in wanted if n.startswith("lldb:")],
          {"gdbserver": got})


if __name__ == "__main__":
    main()
