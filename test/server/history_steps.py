#!/usr/bin/env python3
"""Branch history, block for block: against single steps of the same program by
a stepper of its own (test/inferiors/laststeps.c), and against the client's own
steps."""
import bisect
import os
import struct
import subprocess
import tempfile

from history_client import NOT_THERE, Glued, History
from rsp import Skip, case, check, equal, inferior, main

ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONHASHSEED": "0",
       "PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}
WRITE = 1


# --- steps -------------------------------------------------------------------

class Places:
    """Addresses as a file and an offset: a translated program has its
    libraries elsewhere."""

    def __init__(self, maps):
        lowest = {}
        self.at, self.ranges = {}, []
        for line in maps.splitlines():
            fields = line.split(None, 5)
            if len(fields) < 6 or "tracestub" in fields[5]:
                continue
            low, high = (int(x, 16) for x in fields[0].split("-"))
            base = lowest.setdefault(fields[5], low)
            self.ranges.append((low, high, base, fields[5]))
        self.ranges.sort()
        self.lows = [r[0] for r in self.ranges]

    def __getitem__(self, pc):
        if pc not in self.at:
            i = bisect.bisect_right(self.lows, pc) - 1
            low, high, base, path = self.ranges[i]
            check(low <= pc < high, "%#x is nowhere" % pc)
            self.at[pc] = os.path.basename(path), pc - base
        return self.at[pc]


def steps_of(argv, calls):
    """(places executed, how often it writes)."""
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        path = os.path.join(tmp, "steps")
        # Its output is a file, as the server's is.
        with open(os.path.join(tmp, "output"), "wb") as f:
            subprocess.run([inferior("laststeps"), path, str(calls), *argv],
                           env=ENV, stdin=subprocess.DEVNULL, timeout=150,
                           stdout=f, stderr=f, check=True)
        with open(path, "rb") as f:
            pcs = [pc for pc, in struct.iter_unpack("<Q", f.read())]
        with open(path + ".maps", encoding="utf-8") as f:
            writes = int(f.readline())
            places = Places(f.read())
    return [places[pc] for pc in pcs], writes


def same(blocks, steps):
    """Blocks, newest first, say what the last steps were. How many steps."""
    j = len(steps) - 1
    for n, (begin, end) in enumerate(blocks):
        if j < 0:
            break
        where = "block %d of %d, %s to %s" % (n, len(blocks), begin, end)
        equal(end, steps[j], where)
        while steps[j] != begin:
            j -= 1
            if j < 0:
                return len(steps)
            here, after = steps[j], steps[j + 1]
            check(here[0] == after[0] and
                  0 < after[1] - here[1] <= 15, where, "goes from", here,
                  "to", after)
        j -= 1
    return len(steps) - 1 - j


def against_steps(argv, calls, least, size=0x40000):
    """What was executed up to the program's last write()."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(ENV)
    try:
        n, steps, blocks = compare(argv, calls, size)
    finally:
        os.environ.update(before)
    if "HARD_TRACE" in before:
        print("%d of %d steps, %d blocks" % (n, steps, blocks))
    check(n >= least, "only %d steps compared" % n)
    return n, steps, blocks


def compare(argv, calls, size):
    """Environments are the same: they lie on the stack."""
    steps, writes = steps_of(argv, calls)
    with History(path=argv[0], wrap=argv, size=size,
                 options=["--no-startup-with-shell"]) as s:
        s.record()
        equal(s.packet("QCatchSyscalls:1;%x" % WRITE), "OK", "catch")
        equal(s.packet("QPassSignals:b;1e;1f"), "OK", "QPassSignals")
        for _ in range(2 * writes - 1):
            stop = s.cont(60)
            check("syscall_entry" in stop.fields or
                  "syscall_return" in stop.fields, stop)
        with open("/proc/%d/maps" % s.pid, encoding="utf-8") as f:
            places = Places(f.read())
        blocks = [(places[b], places[e]) for b, e in s.blocks()]
        return same(blocks, steps), len(steps), len(blocks)


def real(path, *args):
    if not os.path.exists(path):
        raise Skip(path + " is not here")
    return [path, *args]


@case(peer=NOT_THERE, seconds=200)
def python():
    against_steps(real("/usr/bin/python3", "-S", "-c",
                       "import os; os.getppid(); "
                       "x = sorted(str(i) for i in range(20)); "
                       "os.write(1, b'x')"), 1, 5000)


@case(peer=NOT_THERE, seconds=200)
def perl():
    against_steps(real("/usr/bin/perl", "-e",
                       "getppid; $_ = join ',', 1..20; s/1/x/g; "
                       "syswrite STDOUT, $_"), 1, 5000)


@case(peer=NOT_THERE, seconds=200)
def sqlite():
    against_steps(real("/usr/bin/sqlite3", ":memory:", "select 1;"), 1, 5000)


@case(peer=NOT_THERE, seconds=200)
def ls():
    against_steps(real("/usr/bin/ls", "-a", "/proc/self/net/.."), 2, 500)


@case(peer=NOT_THERE, seconds=200)
def grep():
    against_steps(real("/usr/bin/grep", "-c", "[a-f]*x", "/etc/passwd"), 2,
                  500)


@case(peer=NOT_THERE, seconds=200)
def awk():
    against_steps(real("/usr/bin/awk", "BEGIN { for (i = 0; i < 9; i++) "
                       "s = s i; print s }"), 1, 500)


@case(peer=NOT_THERE, seconds=200)
def bash():
    against_steps(real("/usr/bin/bash", "-c", "echo $((6 * 7)) x{1..3}"), 2,
                  500)


@case(peer=NOT_THERE, seconds=200)
def printf():
    against_steps(real("/usr/bin/printf", "%5.2f\\n", "3.25"), 1, 500)


@case(peer=NOT_THERE, seconds=200)
def overflow():
    """A history of few blocks is the last ones."""
    n, steps, blocks = against_steps(
        real("/usr/bin/sqlite3", ":memory:", "select 1;"), 1, 50, 0x1000)
    # The newest may have been executed to its end, or not.
    check(blocks - 0x1000 // 16 in (0, 1), blocks, "blocks")
    check(n < steps, "all of it")


def up_to_write(argv, size):
    """(where it began, blocks), up to its last write()."""
    with History(path=argv[0], wrap=argv, size=size,
                 options=["--no-startup-with-shell"]) as s:
        s.record()
        begin = s.pc()
        equal(s.packet("QCatchSyscalls:1;%x" % WRITE), "OK", "catch")
        s.cont(60)
        return begin, s.blocks()


@case(peer=NOT_THERE, seconds=100)
def much():
    """More than fits the ring of a log, which is read all the time then: from
    the first instruction on, and the last ones as from a ring."""
    argv = real("/usr/bin/awk", "BEGIN { for (i = 0; i < 600; i++) "
                "s = s + i % 7; print s }")
    _, last = up_to_write(argv, 0x40000)
    begin, blocks = up_to_write(argv, 0x400000)
    check(len(blocks) > 2 * len(last), len(blocks), len(last), "blocks")
    equal(blocks[-1][0], begin, "the first")
    ends = [[(b & 0xfff, e & 0xfff) for b, e in some[:4096]]
            for some in (blocks, last)]
    check(ends[0] == ends[1], "the last ones differ")


# --- where no branch leads ---------------------------------------------------

ODD = "signals", "nested", "jumps", "faults", "strings", "calls"


@case(peer=NOT_THERE, seconds=200)
def odd_ways():
    """Signals, longjmp(), faults: whatever gdb is not told of by a branch."""
    against_steps([inferior("branching"), *ODD], 30, 5000)


PLACES = ("factorial", "twice", "count", "count", "count", "twice",
          "factorial", "factorial", "tail", "factorial")


def move(s, turn):
    """As a client does, in one of several ways."""
    how = turn % 7
    if how == 0:
        where = PLACES[turn // 7]
        s.point(0, where)
        stop = calmly(s, s.cont(), step=False)
        s.clear(0, where)
        return stop
    if how in (3, 5):
        pc = s.pc()
        s.start("vCont;r%x,%x:%s;c" % (pc, pc + 4 * how, s.name(s.tid())))
        return s.wait()
    return s.step()


def calmly(s, stop, step=True):
    """Signals are the program's."""
    while stop.kind == "T" and stop.number != 5:
        stop = s.signal(stop.number, step)
    return stop


@case(peer=NOT_THERE, seconds=200)
def moves():
    """Steps, range steps and breakpoints between, and reading each time."""
    name = inferior("branching")
    steps, _ = steps_of([name, "calls", "signals", "calls"], 30)
    with History(path=name, wrap=[name, "calls", "signals", "calls"],
                 options=["--no-startup-with-shell"]) as s:
        s.run_to("main")
        s.record()
        glued = Glued(s)
        for turn in range(7 * len(PLACES)):
            stop = calmly(s, move(s, turn))
            equal(stop.kind, "T", "a stop")
            glued.read()
            equal(glued.blocks[0][1], s.pc(), "the end")
        with open("/proc/%d/maps" % s.pid, encoding="utf-8") as f:
            places = Places(f.read())
        ours = [(places[b], places[e]) for b, e in glued.blocks]
        equal(glued.whole, 0, "deltas that did not do")
        equal(glued.blocks, s.blocks(), "all of it")
        # Where we are in what the stepper has done: by how often we came to
        # the last instruction since main began.
        check(same(ours, until_here(ours, steps)) > 300, "that is too little")


def until_here(blocks, steps):
    """The steps that end with the last block."""
    longest, at = 0, None
    for i, place in enumerate(steps):
        if place != blocks[0][1]:
            continue
        try:
            n = same(blocks, steps[:i + 1])
        except AssertionError:
            continue
        if n > longest:
            longest, at = n, i
    check(at is not None, "never")
    return steps[:at + 1]


if __name__ == "__main__":
    raise SystemExit(main())
