"""What tests of the translator share: a program run natively and followed,
and the counters of `tracestub trace --stats`. Standard library only."""
import argparse
import difflib
import itertools
import os
import re
import resource
import subprocess
import sys
import tempfile

# Held for every run that is followed, where a row does not say otherwise.
ALWAYS = ("blocks>=50", "refused=0", "native_other<=20")
# What native_steps counts for a reason: rt_sigreturn, changes of the map.
REASONS = ("native_returns", "native_syscalls")
CONDITION = re.compile(r"^(\w+)(>=|<=|=|<|>)(\d+)$")
COMPARE = {">=": int.__ge__, "<=": int.__le__, "=": int.__eq__,
           "<": int.__lt__, ">": int.__gt__}


class Run:
    """What one run of a program showed: bytes, bytes, a status as a shell
    has it, and the translator's counters (None natively)."""

    def __init__(self, out, err, status, stats=None):
        self.out, self.err, self.status, self.stats = out, err, status, stats

    def seen(self):
        return self.out, self.err, self.status


def arguments(doc, *more):
    """The options that all of these tests have; more: (args, kwargs)."""
    ap = argparse.ArgumentParser(usage=doc.split("usage: ")[1])
    ap.add_argument("--server", default="build/rel/tracestub")
    ap.add_argument("--inferiors", default="build/rel/test/inferiors")
    ap.add_argument("--native", action="store_true",
                    default=bool(os.environ.get("NATIVE")))
    ap.add_argument("--runs", type=int, default=int(os.environ.get("RUNS", 1)))
    ap.add_argument("--limit", type=float, default=180)
    for args, kwargs in more:
        ap.add_argument(*args, **kwargs)
    return ap.parse_args()


def as_shell(code):
    return code if code >= 0 else 128 - code


def prepared():
    """In the child: no core files, signals as a shell leaves them."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start(argv, env=None, **kw):
    """A process with pipes; a context that waits for its end."""
    return subprocess.Popen(argv, stdin=subprocess.PIPE, env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            preexec_fn=prepared, **kw)


def finish(p, limit, stdin=b""):
    """A Run of it. At the time limit its status is the word 'late'."""
    try:
        out, err = p.communicate(stdin, timeout=limit)
        return Run(out, err, as_shell(p.returncode))
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        return Run(out, err, "late")


def run(argv, limit=60, stdin=b"", **kw):
    with start(argv, **kw) as p:
        return finish(p, limit, stdin)


def folder():
    """A new one, gone when its context is left."""
    return tempfile.TemporaryDirectory(prefix="tracestub-test.")


def read_stats(path):
    """{name: value} of a file of `name value` lines."""
    with open(path, encoding="utf-8") as f:
        pairs = [line.split() for line in f if line.strip()]
    stats = {p[0]: int(p[1]) for p in pairs
             if len(p) == 2 and p[1].lstrip("-").isdigit()}
    if "native_steps" in stats:
        stats["native_other"] = (stats["native_steps"] -
                                 sum(stats.get(r, 0) for r in REASONS))
    return stats


def trace(opt, argv, options=(), **kw):
    """A Run of argv followed; natively with --native, without counters."""
    if opt.native:
        return run(argv, opt.limit, **kw)
    with folder() as tmp:
        path = os.path.join(tmp, "stats")
        result = run([os.path.abspath(opt.server), "trace", "--stats=" + path,
                      *options, "--", *argv], opt.limit, **kw)
        result.stats = read_stats(path) if os.path.exists(path) else {}
    return result


def broken(stats, conditions):
    """Those of the conditions that the counters do not meet, in words."""
    held = {CONDITION.match(c)[1]: c for c in ALWAYS}
    held.update((CONDITION.match(c)[1], c) for c in conditions)
    out = []
    for name, text in held.items():
        _, how, value = CONDITION.match(text).groups()
        got = stats.get(name)
        if got is None or not COMPARE[how](got, int(value)):
            out.append("counter %s is %s, wanted %s" % (name, got, text))
    return out


def excerpt(data):
    text = data.decode(errors="replace")
    if len(text) < 4000:
        return text
    return text[:2000] + "\n[...]\n" + text[-2000:]


def diff(a, b):
    """A diff of two outputs that are not the same."""
    a, b = (x.decode(errors="replace").splitlines() for x in (a, b))
    lines = difflib.unified_diff(a, b, "natively", "followed", "", "", 1, "")
    return "\n".join(line[:200] for line in itertools.islice(lines, 80))


def differences(native, followed):
    """How two runs differ, in words; empty where they do not."""
    out = []
    if native.status != followed.status:
        out.append("status %s, natively %s" % (followed.status, native.status))
    for what in ("out", "err"):
        a, b = getattr(native, what), getattr(followed, what)
        if a != b:
            out += ["std%s differs:" % what, diff(a, b)]
    return out


def skip(why):
    print(why)
    sys.exit(77)


def program(opt, name):
    """The path of an inferior; the test is skipped where it is not built."""
    path = os.path.abspath(os.path.join(opt.inferiors, name))
    if os.path.exists(path + ".skip"):
        with open(path + ".skip", encoding="utf-8") as f:
            skip(f.read().strip())
    return path
