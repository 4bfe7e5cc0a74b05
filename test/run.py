#!/usr/bin/env python3
"""Run tests, several at a time, and sum them up.

usage: run.py [-j N] [-t SECONDS] [-v] 'KIND/NAME=COMMAND' ...

Each test is a command; exit status 0 passes, 77 skips (the last line it
prints is the reason), anything else fails, and so does a process left behind,
or a file at the root of the tree.
One line a test is printed, what a failed one said is shown below its line.
A program of several cases (cmocka's summary lines) counts by its cases; what
of one that passes was skipped, or it says "left out: ..." of, is shown too.

The last line is "N passed, N failed", with ", N skipped" where some were.
exit status: 0 when nothing failed and something passed.
"""
import argparse
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

LIMIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "limit.py")
CASES = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) *\] (?:.*: )?(\d+) test\(s\)",
                   re.M)
SKIPPED = re.compile(r"^\[  SKIPPED \] (?!\d+ test\(s\))(.+)$")
LEFT_OUT = re.compile(r"^left out: ")
KEEP = 20000    # characters of a failed test's output that are shown


class Total:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def line(self):
        text = "%d passed, %d failed" % (self.passed, self.failed)
        return text + (", %d skipped" % self.skipped if self.skipped else "")


def count_cases(text, code):
    """(passed, failed, skipped) of one program."""
    if code == 77:
        return 0, 0, 1
    n = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for word, count in CASES.findall(text):
        n[word] += int(count)
    if code == 0:
        # a program that only skipped has not passed
        return n["PASSED"] or int(not n["SKIPPED"]), 0, n["SKIPPED"]
    return n["PASSED"], max(1, n["FAILED"]), n["SKIPPED"]


def shorten(text):
    if len(text) <= KEEP:
        return text
    half = KEEP // 2
    return text[:half] + "\n[...]\n" + text[-half:]


def report(total, name, code, seconds, text, verbose):
    passed, failed, skipped = count_cases(text, code)
    word = "FAIL" if failed else "ok" if passed else "skip"
    lines = text.strip().splitlines()
    why = " (%s)" % lines[-1].strip() if word == "skip" and lines else ""
    with total.lock:
        total.passed += passed
        total.failed += failed
        total.skipped += skipped
        print("%-4s %-40s %6.2f%s" % (word, name, seconds, why))
        if word == "ok" and skipped:
            names = {m[1] for m in map(SKIPPED.match, lines) if m}
            print("     skipped of it: " + ", ".join(sorted(names)))
        for line in filter(LEFT_OUT.match, lines if word == "ok" else ()):
            print("     " + line)
        if failed or verbose:
            print("".join("    | %s\n" % x for x in shorten(text).splitlines()),
                  end="")
        sys.stdout.flush()


def run_one(total, spec, opt, tmp):
    name, command = spec.split("=", 1)
    out = tempfile.mkstemp(dir=tmp)[1]
    t0 = time.monotonic()
    argv = [sys.executable, LIMIT, "--strict", str(opt.limit), out]
    code = subprocess.call(argv + shlex.split(command))
    with open(out, encoding="utf-8", errors="replace") as f:
        text = f.read()
    if code not in (0, 77):
        text += "-- exit status %d of: %s\n" % (code, command)
    report(total, name, code, time.monotonic() - t0, text, opt.verbose)


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    ap.add_argument("-j", type=int, default=len(os.sched_getaffinity(0)))
    ap.add_argument("-t", dest="limit", type=float, default=240)
    ap.add_argument("-v", dest="verbose", action="store_true")
    ap.add_argument("tests", nargs="*")
    opt = ap.parse_args()
    total = Total()
    # a core of what dies is nothing that a test should leave in the tree
    resource.setrlimit(resource.RLIMIT_CORE,
                       (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    before = set(os.listdir("."))
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp, \
            ThreadPoolExecutor(max(1, opt.j)) as pool:
        for job in [pool.submit(run_one, total, t, opt, tmp)
                    for t in opt.tests]:
            job.result()
    for name in sorted(set(os.listdir(".")) - before):
        total.failed += 1
        print("FAIL left behind in the tree: " + name)
    print(total.line())
    sys.exit(0 if total.passed and not total.failed else 1)


if __name__ == "__main__":
    main()
