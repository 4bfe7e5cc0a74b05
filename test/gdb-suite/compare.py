#!/usr/bin/env python3
"""Compare two GDB testsuite results.

usage: compare.py [options] A.sum B.sum

A.sum, B.sum: .sum files (plain or .xz), or directories of such; several can
  be joined by commas.
  "A1.sum,A2.sum" over *different* .exp files is their union; where the same
  .exp is in several, a test has its status only if all agree, else "FLAKY"
  (which is not PASS): give repeated baseline runs so to drop racy tests.

prints: totals by status per directory for A and B; then "PASS in A but not
PASS in B" and "not PASS in A but PASS in B", grouped per .exp file.

  -d DIR      only this directory/.exp glob (repeatable), e.g. gdb.base
  -x GLOB     leave these out, e.g. -x gdb.base/foo.exp
  -q          only totals and the count per .exp file
  -n N        at most N tests per .exp file (default all)
  -a          count .exp files that ran on one side only too (default: they
              are named, and left out of the two lists)
  -r FILE     write the .exp files with a difference "PASS in A, not in B"
              to FILE (usable as @FILE with run.sh)
  -m PERCENT  exit status 0 when at least so much of A's PASS is kept
exit status: 0 when no "PASS in A but not PASS in B", else 1.

Test names: a trailing remark such as "(timeout)" or "(PRMS: gdb/1)" is not
part of the name; process numbers, ports and paths are made neutral; the N-th
of equal names in one .exp is matched with the N-th of the other side.
"""
import argparse, fnmatch, lzma, os, re, sys
from collections import Counter, OrderedDict

STATUS = ["PASS", "FAIL", "XPASS", "XFAIL", "KPASS", "KFAIL", "UNTESTED",
          "UNRESOLVED", "UNSUPPORTED", "ERROR", "WARNING", "PATH", "DUPLICATE",
          "FLAKY"]
# not results of a test, but remarks of the harness
NOISE = {"ERROR", "WARNING", "PATH", "DUPLICATE"}
LINE = re.compile(r"^(%s): (.*)$" % "|".join(STATUS))
RUN = re.compile(r"^Running .*?(gdb\.[^/ ]+/\S+\.exp) \.\.\.")
EXP = re.compile(r"^(gdb\.[^/ ]+/\S+?\.exp)(?::|$)")
PAREN = re.compile(r"\s*\((timeout|eof|the program exited|the program is no longer running"
                   r"|GDB internal error|got interactive prompt|got breakpoint menu"
                   r"|pattern \d+|PRMS:? [^()]*|prompt|memory error|unknown|"
                   r"resync count exceeded|internal-error|input|no prompt|stopped"
                   r"|timed out)\)\s*$", re.I)


def neutral(name):
    old = None
    while old != name:
        old, name = name, PAREN.sub("", name)
    name = re.sub(r"\b(process|pid|Process|Thread|LWP) \d+", r"\1 N", name)
    name = re.sub(r"\b(localhost|127\.0\.0\.1|\[::1\]):\d+", r"\1:PORT", name)
    name = re.sub(r"/\S*/(gdb\.[a-z0-9]+/)", r"\1", name)
    return name


def load_one(path):
    op = lzma.open if path.endswith(".xz") else open
    res, cur, seen = OrderedDict(), None, None
    with op(path, "rt", encoding="utf-8", errors="replace") as f:
        for line in f:
            line = line.rstrip("\n")
            m = RUN.match(line)
            if m:
                cur = m.group(1)
                res.setdefault(cur, OrderedDict())
                seen = Counter()
                continue
            m = LINE.match(line)
            if not m:
                continue
            st, name = m.groups()
            e = EXP.match(name)
            exp = e.group(1) if e else cur
            if exp is None:
                continue
            if exp not in res or seen is None:
                res.setdefault(exp, OrderedDict())
                seen = Counter() if seen is None else seen
            name = neutral(name[len(exp) + 1:].strip() if e else name)
            k = (st in NOISE, exp, name)
            seen[k] += 1
            key = (name, seen[k]) if st not in NOISE else (st + ": " + name, seen[k])
            res[exp][key] = st
    return res


def load(spec):
    res = OrderedDict()
    files = []
    for p in spec.split(","):
        files += ([os.path.join(p, f) for f in sorted(os.listdir(p))
                   if f.endswith((".sum", ".sum.xz"))] if os.path.isdir(p) else [p])
    for p in files:
        for exp, t in load_one(p).items():
            if exp not in res:
                res[exp] = t
                continue
            old = res[exp]
            for k in list(old) + [k for k in t if k not in old]:
                a, b = old.get(k), t.get(k)
                if a != b:
                    old[k] = "FLAKY"
    return res


def usage():
    return __doc__.split("usage: ", 1)[1].replace("%", "%%")


def main():
    ap = argparse.ArgumentParser(usage=usage())
    ap.add_argument("a"), ap.add_argument("b")
    ap.add_argument("-d", action="append", default=[])
    ap.add_argument("-x", action="append", default=[])
    ap.add_argument("-q", action="store_true")
    ap.add_argument("-n", type=int, default=0)
    ap.add_argument("-a", dest="all", action="store_true")
    ap.add_argument("-r")
    ap.add_argument("-m", type=float, default=100)
    o = ap.parse_args()

    def want(exp):
        def hit(pats):
            return any(fnmatch.fnmatch(exp, p) or exp.startswith(p.rstrip("/") + "/")
                       for p in pats)
        return (not o.d or hit(o.d)) and not hit(o.x)

    A = OrderedDict((e, t) for e, t in load(o.a).items() if want(e))
    B = OrderedDict((e, t) for e, t in load(o.b).items() if want(e))

    both = [e for e in A if e in B]
    onlya, onlyb = [e for e in A if e not in B], [e for e in B if e not in A]
    dirs = sorted({e.split("/")[0] for e in list(A) + list(B)})
    used = [s for s in STATUS if any(s in t.values() for R in (A, B) for t in R.values())]

    def row(head, R, exps):
        c = Counter(s for e in exps if e in R for s in R[e].values())
        print("%-24s" % head + "%6d" % sum(e in R for e in exps)
              + "".join("%8d" % c[s] for s in used))

    print("%-24s%6s" % ("totals", "files") + "".join("%8s" % s[:7] for s in used))
    for d in dirs + (["ALL"] if len(dirs) > 1 else []):
        exps = [e for e in list(A) + onlyb if d == "ALL" or e.startswith(d + "/")]
        if d != "ALL" and both and not o.all and not any(e in A and e in B for e in exps):
            continue            # nothing to compare in this directory
        row(d + " A", A, exps)
        row(d + " B", B, exps)
        common = [e for e in exps if e in A and e in B]
        if common and len(common) < len(exps):
            row("  common files A", A, common)
            row("  common files B", B, common)

    for name, l in (("A", onlya), ("B", onlyb)):
        if l:
            print("\n%d .exp files ran in %s only%s: %s" % (
                len(l), name, "" if o.all else " (not compared)",
                " ".join(l[:15]) + (" ..." if len(l) > 15 else "")))

    files = both + (onlya + onlyb if o.all else [])
    bad = 0
    for title, P, Q, pn, qn in (
            ("PASS in A but not PASS in B", A, B, "A", "B"),
            ("not PASS in A but PASS in B", B, A, "B", "A")):
        diff, total, base = OrderedDict(), 0, 0
        for e in files:
            p, q = P.get(e, {}), Q.get(e, {})
            l = []
            for k, s in p.items():
                if s != "PASS":
                    continue
                base += 1
                t = q.get(k, "absent")
                if t != "PASS":
                    l.append((t, k))
            if l:
                diff[e] = l
                total += len(l)
        print("\n=== %s: %d tests in %d files (of %d PASS in %s: %.2f %% kept) ===" % (
            title, total, len(diff), base, pn, 100.0 * (base - total) / max(base, 1)))
        for e, l in diff.items():
            c = Counter(t for t, _ in l)
            print("%s: %d (%s)" % (e, len(l), " ".join("%s=%d" % x for x in sorted(c.items()))))
            if not o.q:
                for t, (nm, i) in l[:o.n or None]:
                    print("    %-11s %s%s" % (t, nm, " #%d" % i if i > 1 else ""))
                if o.n and len(l) > o.n:
                    print("    ... %d more" % (len(l) - o.n))
        if P is A:
            bad = 100.0 * (base - total) < o.m * base
            if o.r:
                with open(o.r, "w") as f:
                    f.write("".join(e + "\n" for e in diff))
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(1)
