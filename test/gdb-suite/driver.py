#!/usr/bin/env python3
"""Run .exp files of gdb/testsuite one runtest each; helper of run.sh.

Every .exp runs under ../limit.py, which ends exactly what the test started, at
its end or at the time limit, by pid.  The results are merged into
OUT/gdb.sum, OUT/gdb.log and OUT/times.tsv after each test (a partial run is
usable).
"""
import argparse, fnmatch, os, re, shutil, signal, subprocess, sys
import threading, time
from concurrent.futures import ThreadPoolExecutor

STATUS = ("PASS", "FAIL", "XPASS", "XFAIL", "KPASS", "KFAIL", "UNTESTED",
          "UNRESOLVED", "UNSUPPORTED", "ERROR", "WARNING", "PATH", "DUPLICATE")
LABEL = {"PASS": "expected passes", "FAIL": "unexpected failures",
         "XPASS": "unexpected successes", "XFAIL": "expected failures",
         "KPASS": "unknown successes", "KFAIL": "known failures",
         "UNTESTED": "untested testcases", "UNRESOLVED": "unresolved testcases",
         "UNSUPPORTED": "unsupported tests", "ERROR": "errors",
         "WARNING": "warnings", "PATH": "paths in test names",
         "DUPLICATE": "duplicate test names"}
LIMIT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     "limit.py")
RESULT = re.compile(r"^(%s): " % "|".join(STATUS))


# ----------------------------------------------------------------- the lot --
def expand(ts, items):
    def match(item):
        if item.endswith(".exp") or "*" in item or "?" in item:
            pat = item if item.endswith(".exp") else item.rstrip("/") + "/*.exp"
        else:
            pat = item.rstrip("/") + "/*.exp"
        top = pat.split("/")[0]
        hit = []
        for d in sorted(os.listdir(ts)):
            if d.startswith("gdb.") and fnmatch.fnmatch(d, top):
                for f in sorted(os.listdir(os.path.join(ts, d))):
                    if f.endswith(".exp") and fnmatch.fnmatch(d + "/" + f, pat):
                        hit.append(d + "/" + f)
        if not hit:
            print("driver: nothing matches", item, file=sys.stderr)
        return hit
    flat = []
    for i in items:
        if i.startswith("@"):
            for line in open(i[1:]):
                line = line.split("#")[0].strip()
                if line:
                    flat.append(line)
        else:
            flat.append(i)
    out = []
    for i in flat:
        if i.startswith("!"):
            gone = set(match(i[1:]))
            out = [t for t in out if t not in gone]
        else:
            out += [t for t in match(i) if t not in out]
    return out


def main():
    ap = argparse.ArgumentParser()
    for a in ("ts", "work", "out", "gdb", "server", "board"):
        ap.add_argument("--" + a, required=True)
    ap.add_argument("--jobs", type=int, default=1)
    ap.add_argument("--limit", type=float, default=240)
    ap.add_argument("--keep", action="store_true")
    ap.add_argument("--var", action="append", default=[])
    ap.add_argument("tests", nargs="+")
    a = ap.parse_args()
    tests = expand(a.ts, a.tests)
    if not tests:
        sys.exit("driver: no tests")
    print("%d test files, board %s" % (len(tests), a.board), flush=True)
    done, lock, t00 = {}, threading.Lock(), time.monotonic()

    def clean(text):        # no machine paths in what is kept
        for p, n in ((a.work, "@WORK@"), (a.ts, "@SRC@"), (a.server, "@SERVER@")):
            text = text.replace(p, n)
        return text

    def slurp(p):
        try:
            return open(p, encoding="utf-8", errors="replace", newline="").read()
        except OSError:
            return ""

    def run(test):
        name = test[:-4]
        o = os.path.join(a.work, "outputs", name)
        os.makedirs(o, exist_ok=True)
        argv = ["runtest", "--status", "GDB_PARALLEL=yes", "--outdir=" + o, test,
                "--target_board=" + a.board, "GDB=" + a.gdb,
                "GDBSERVER=" + a.server] + [v for v in a.var if v]
        t0 = time.monotonic()
        if stopped:
            return
        r = subprocess.Popen([sys.executable, LIMIT, str(a.limit),
                              os.path.join(o, "runtest.out")] + argv, cwd=a.work)
        live.add(r)
        r.wait()
        live.discard(r)
        wall = time.monotonic() - t0
        if stopped:
            return
        s = clean(slurp(o + "/gdb.sum"))
        lines = [l for l in s.splitlines() if RESULT.match(l)]
        if r.returncode == 124:
            lines.append("UNRESOLVED: %s: HARNESS: time limit of %g s" % (test, a.limit))
        elif not s:
            lines.append("UNRESOLVED: %s: HARNESS: no gdb.sum" % test)
        log = clean(slurp(o + "/gdb.log"))
        if not s:
            log += "\n" + clean(slurp(o + "/runtest.out"))
        if not a.keep:
            shutil.rmtree(o, ignore_errors=True)
        with lock:
            done[test] = (lines, wall)
            logf.write("\n##### %s (%.1f s)\n%s" % (test, wall, log))
            logf.flush()
            with open(os.path.join(a.out, "times.tsv"), "a") as f:
                f.write("%s\t%.1f\t%s\n" % (test, wall, counts(lines)))
            write_sum()
            print("[%d/%d %5.0fs] %-50s %6.1fs %s" % (
                len(done), len(tests), time.monotonic() - t00, test, wall,
                counts(lines)), flush=True)

    def tally(ls):
        c = {}
        for l in ls:
            k = l.split(":", 1)[0]
            c[k] = c.get(k, 0) + 1
        return c

    def counts(ls):
        c = tally(ls)
        return " ".join("%s=%d" % (k, c[k]) for k in STATUS if k in c)

    def write_sum():
        tmp = os.path.join(a.out, "gdb.sum.tmp")
        with open(tmp, "w") as f:
            f.write("\t\t=== gdb tests ===\n\nRunning target %s\n" % a.board)
            alll = []
            for t in tests:
                if t in done:
                    f.write("Running @SRC@/%s ...\n" % t)
                    f.write("".join(l + "\n" for l in done[t][0]))
                    alll += done[t][0]
            f.write("\n\t\t=== gdb Summary ===\n\n")
            c = tally(alll)
            for k in STATUS:
                if k in c:
                    f.write("# of %-28s%d\n" % (LABEL[k], c[k]))
            f.write("# test files %d of %d, wall %.0f s\n" % (
                len(done), len(tests), time.monotonic() - t00))
        os.replace(tmp, os.path.join(a.out, "gdb.sum"))

    stopped, live = [], set()

    def quit_(*_):          # end the running tests, keep what is done
        stopped.append(1)
        for p in list(live):
            p.terminate()
    signal.signal(signal.SIGTERM, quit_)
    signal.signal(signal.SIGINT, quit_)
    open(os.path.join(a.out, "times.tsv"), "w").close()
    logf = open(os.path.join(a.out, "gdb.log"), "w", encoding="utf-8", newline="")
    with ThreadPoolExecutor(a.jobs) as ex:
        list(ex.map(run, tests))
    logf.close()
    if done:
        print(open(os.path.join(a.out, "gdb.sum")).read().split("=== gdb Summary ===")[1])
    sys.exit(130 if stopped else 0)


if __name__ == "__main__":
    main()
