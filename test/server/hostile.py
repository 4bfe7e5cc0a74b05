#!/usr/bin/env python3
"""Programs that write over what the translator shares with them: they may die
of it, the server neither crashes nor hangs."""
import os
import subprocess
import tempfile

from rsp import OPTIONS, Session, case, check, equal, inferior, main

OURS = "it does not translate"
MODES = ((), ("--count",), ("--coverage=/dev/null",),
         ("--events=call,ret,block", "--trace=/dev/null"),
         ("--cache-size=1M",))


def harmed(what, mode, seed):
    """The server's exit status, its counters; it has to say how the program
    ended."""
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        path = os.path.join(tmp, "stats")
        p = subprocess.run(
            [OPTIONS.server, "trace", "--stats=" + path, *mode, "--",
             inferior("scribbling"), what, str(seed)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
            check=False)
        told = (what, mode, seed, p.returncode, p.stderr[-300:])
        check(p.returncode >= 0, "the server has died:", told)
        check(p.returncode == 0 or 128 < p.returncode < 160,
              "that is no end of a program:", told)
        equal(p.stdout, b"followed\n", told)
        with open(path, encoding="utf-8") as f:
            stats = dict(line.split() for line in f)
        check(int(stats["threads"]) >= 3, "threads", stats["threads"])
        return p.returncode


def harm(what, seeds):
    ends = [harmed(what, mode, seed) for mode in MODES
            for seed in range(seeds)]
    check(any(ends), "no harm was done by", what)


@case(peer=OURS, seconds=300)
def data_is_written_over():
    for what in "zero", "ones":
        harm(what, 1)
    harm("noise", 4)


@case(peer=OURS, seconds=200)
def code_is_written_over():
    harm("code", 3)


@case(peer=OURS, seconds=200)
def all_is_unmapped():
    harm("unmap", 1)


def go_on(s, action="vCont;c"):
    s.start(action)
    return s.wait(select=False)


@case(peer=OURS, seconds=60)
def a_client_is_told():
    """The session outlives the program, which ends by a signal."""
    for what in "noise", "unmap":
        with Session("scribbling", what) as s:
            s.run_to("main")
            equal(s.packet("qTrace:follow:-1"), "OK", "follow")
            stop = go_on(s)
            while stop.kind == "T":
                stop = go_on(s, "vCont;C%02x:%s;c" % (
                    stop.number, s.name(stop.tid)))
                if stop.kind == "E":    # it has gone since
                    stop = go_on(s)
            check(stop.kind in "WX", "the program's end is told", stop)


if __name__ == "__main__":
    raise SystemExit(main())
