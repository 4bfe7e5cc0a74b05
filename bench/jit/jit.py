#!/usr/bin/env python3
"""CPU time of runtimes that make code, followed over native.

usage: jit.py TRACESTUB [NAME...]      REPS=3, SCALE=1 (of the work)

Program and server together, native and followed in turn, medians. Each was
followed once before, as with a user who runs it again. The output and exit status
of both have to be the same. start-* are runs that do next to nothing. What a
runtime that is not installed would run is left out.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WANTED = {"node": 1.8, "luajit": 1.6, "java": 2.5, "start-java": 3}


def classes(n):
    """A source of so many classes, for javac."""
    return "".join(
        "class C%d { int a = %d; String s(int n) { StringBuilder b = new "
        "StringBuilder(); for (int k = 0; k < n; k++) b.append(k * a); return "
        "b.toString(); } static <T extends Comparable<T>> T max("
        "java.util.List<T> l) { T m = l.get(0); for (T t : l) if "
        "(t.compareTo(m) > 0) m = t; return m; } }\n" % (i, i)
        for i in range(n))


def workloads(tmp, scale):
    def n(x):
        return str(max(1, int(x * scale)))

    def here(name):
        return os.path.join(HERE, name)

    many = os.path.join(tmp, "Many.java")
    with open(many, "w", encoding="ascii") as f:
        f.write(classes(int(n(300))))
    java = ["java", "-cp", tmp]
    return {
        "node": ["node", here("objects.js"), n(150)],
        "node-churn": ["node", here("churn.js"), n(4000)],
        "java": java + ["Compute", n(50)],
        "java-zgc": java + ["-XX:+UseZGC", "Compute", n(20)],
        "java-int": java + ["-Xint", "Compute", n(3)],
        "javac": ["javac", "-d", tmp, many],
        "luajit": ["luajit", here("traces.lua"), n(150)],
        "start-node": ["node", "-e", "console.log(1)"],
        "start-java": java + ["Hello"],
    }


def run(argv):
    """(CPU seconds of all that it started, what it did)"""
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL)
        end = time.monotonic() + 600
        while True:
            pid, status, usage = os.wait4(p.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                p.kill()
            time.sleep(0.01)
        p.returncode = status
        out.seek(0)
        return usage.ru_utime + usage.ru_stime, (status, out.read())


def compare(server, name, argv, reps):
    times = [[], []]
    follow = [server, "trace", "--"] + argv
    run(follow)
    for _ in range(reps):
        native, wanted = run(argv)
        followed, got = run(follow)
        times[0].append(native)
        times[1].append(followed)
        if got != wanted:
            print("%-12s DIFFERS: %r, natively %r" %
                  (name, (got[0], got[1][-300:]), (wanted[0], wanted[1][-80:])))
            return False
    a, b = (statistics.median(t) for t in times)
    print("%-12s %7.2f s %7.2f s %6.2fx  %s" %
          (name, a, b, b / a, "wanted %s" % WANTED[name]
           if name in WANTED else ""), flush=True)
    return True


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    scale = float(os.environ.get("SCALE", "1"))
    reps = int(os.environ.get("REPS", "3"))
    ok = True
    with tempfile.TemporaryDirectory() as tmp:
        if shutil.which("javac"):
            subprocess.run(["javac", "-d", tmp, os.path.join(HERE, "Compute.java"),
                            os.path.join(HERE, "Hello.java")], check=True)
        for name, argv in workloads(tmp, scale).items():
            if shutil.which(argv[0]) and (not sys.argv[2:] or
                                          name in sys.argv[2:]):
                ok &= compare(sys.argv[1], name, argv, reps)
    sys.exit(not ok)


main()
