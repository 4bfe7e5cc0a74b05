#!/usr/bin/env python3
"""CPython's own tests (Debian's libpython3.x-testsuite), natively and followed.

usage: cpython.py [--server S] [--native] [--runs N] [--children]
                  [--cases PATTERN] [TEST...]

Each case that passes natively is to pass followed; a case of which the
result changes natively from run to run is tried again on both sides before
it counts. --children follows those, too. --cases runs some (-m of
python3 -m test). The tests are of /usr/bin/python3.
"""
import os
import sys
import time
import xml.etree.ElementTree as ET

import traced

PYTHON = "/usr/bin/python3"
TESTS = """test_exceptions test_generators test_signal test_threading
test_mmap test_ctypes test_faulthandler test_subprocess test_socket
test_asyncio test_multiprocessing_fork""".split()
# They never end natively: a virtual machine has a socket to its host, where
# nobody answers.
LEFT_OUT = {"test_socket": ["*VSOCK*"]}
AGAIN = 2       # times that a case that differs is run again, each way


def result_of(case):
    for word in ("error", "failure", "skipped"):
        if case.find(word) is not None:
            return word
    return "skipped" if case.get("result") == "skipped" else "passed"


def results(path):
    """{case: passed, skipped, error or failure}; empty where there is none"""
    if not os.path.exists(path):
        return {}
    return {c.get("name"): result_of(c)
            for c in ET.parse(path).getroot().iter("testcase")}


def run(opt, test, how, cases=None):
    """({case: result}, Run); how: native or followed"""
    with traced.folder() as tmp:
        xml = tmp + "/xml"
        argv = [PYTHON, "-m", "test", "--junit-xml", xml, "--tempdir", tmp]
        for c in cases or ([opt.cases] if opt.cases else []):
            argv += ["-m", c]
        for c in LEFT_OUT.get(test, []):
            argv += ["-i", c]
        argv.append(test)
        env = {k: v for k, v in os.environ.items()
               if k in ("PATH", "HOME", "TERM")}
        if how == "native":
            r = traced.run(argv, opt.limit, cwd=tmp, env=env)
        else:
            r = traced.trace(opt, argv, ["--follow-forks"] if opt.children
                             else [], cwd=tmp, env=env)
        return results(xml), r


def worse(native, followed):
    return sorted(c for c, r in native.items()
                  if r == "passed" and followed.get(c) != "passed")


def tried_again(opt, test, case):
    """What a case that differs does when it is alone: (native, followed)
    passes of AGAIN each."""
    name = case.split(".")[-1]
    counts = []
    for how in ("native", "followed"):
        outcomes = [run(opt, test, how, [name])[0] for _ in range(AGAIN)]
        counts.append(sum(o.get(case) == "passed" for o in outcomes))
    return counts


def compare(opt, test):
    """Lines of complaint."""
    native, r = run(opt, test, "native")
    if not native:
        print("%s: does not run natively: status %s\n%s" % (
            test, r.status, traced.excerpt(r.out + r.err)))
        return ["%s does not run natively" % test]
    t0 = time.monotonic()
    followed, r = run(opt, test, "followed")
    bad = []
    for case in worse(native, followed) if followed else []:
        alone = tried_again(opt, test, case)
        text = "%s: %s; alone %d of %d pass, natively %d" % (
            case, followed.get(case, "missing"), alone[1], AGAIN, alone[0])
        print(text)
        if alone[1] < alone[0]:
            bad.append(text)
    if r.stats is not None:
        bad += ["%s: %s" % (test, x) for x in traced.broken(
            r.stats, ["blocks>=20000", "native_other<=1000"])]
    if not followed:
        print(traced.excerpt(r.out + r.err))
        bad.append("%s: nothing came, status %s" % (test, r.status))
    print("%-26s %4d natively, %4d followed passed; status %s, %.0f s" % (
        test, list(native.values()).count("passed"),
        list(followed.values()).count("passed"), r.status,
        time.monotonic() - t0), flush=True)
    return bad


def main():
    opt = traced.arguments(
        __doc__, (["--children"], {"action": "store_true"}),
        (["--cases"], {}), (["tests"], {"nargs": "*"}))
    opt.limit = max(opt.limit, 1200)
    probe = traced.run([PYTHON, "-c", "import test.test_signal"])
    if probe.status:
        traced.skip("CPython's tests are not installed")
    bad = []
    for _ in range(opt.runs):
        for test in opt.tests or TESTS:
            bad += compare(opt, test)
    print("\n".join(["worse followed:"] + bad if bad else ["none is worse"]))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
