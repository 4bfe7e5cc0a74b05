#!/usr/bin/env python3
"""Branch history, block for block: against single steps of the same program by
a stepper of its own (test/inferiors/laststeps.c), and against the client's own
steps."""
import bisect
import os
import re
import struct
import subprocess
import tempfile

from rsp import OPTIONS, Session, Skip, case, check, equal, inferior, main

ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONHASHSEED": "0",
       "PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}
NOT_THERE = "has no branches to keep without hardware"
WRITE = 1


class History(Session):
    """A session that keeps branches."""

    def __init__(self, *args, size=None, **kw):
        super().__init__(*args, **kw)
        if size:
            equal(self.packet("Qbtrace-conf:bts:size=0x%x" % size), "OK",
                  "size")

    def record(self, tid=None):
        self.select(tid or self.tid())
        equal(self.packet("Qbtrace:bts"), "OK", "Qbtrace:bts")

    def blocks(self, annex="all"):
        text = self.xfer("btrace", annex).decode()
        check(re.fullmatch(r'<btrace version="1.0">(<block begin="0x[0-9a-f]+"'
                           r' end="0x[0-9a-f]+"/>)*</btrace>', text), text)
        return [(int(b, 16), int(e, 16)) for b, e in re.findall(
            r'begin="0x(\w+)" end="0x(\w+)"', text)]


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


class Glued:
    """What gdb has: it asks for what is new, and puts that behind the rest."""

    def __init__(self, s):
        self.s, self.blocks, self.whole = s, [(s.pc(), s.pc())], 0

    def read(self):
        reply = self.s.packet("qXfer:btrace:read:delta:0,ffff")
        if reply[:1] == "E":
            equal(reply, "E.Overflow.", "delta")
            self.whole += 1
            self.blocks = self.s.blocks("new")
            return
        new = [(int(b, 16), int(e, 16)) for b, e in re.findall(
            r'begin="0x(\w+)" end="0x(\w+)"', reply)]
        equal(new[-1][0], 0, "the oldest one's begin")
        equal(reply[:1], "l", "all in one piece")
        first, last = self.blocks[0]
        check(new[-1][1] >= last, "ends before the last one did")
        check(all(b for b, _ in new[:-1]), "a begin of 0")
        self.blocks[:1] = new[:-1] + [(first, new[-1][1])]


PLACES = ("factorial", "twice", "count", "count", "count", "twice", "factorial",
          "factorial", "tail", "factorial")


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


# --- what is asked for -------------------------------------------------------

def branching(*pieces, **kw):
    s = History("branching", *pieces, **kw)
    s.run_to("main")
    return s


def is_followed(s):
    with open("/proc/%d/maps" % s.pid, encoding="utf-8") as f:
        return "memfd:tracestub" in f.read()


def refused(s, packet, text):
    equal(s.packet(packet), "E." + text, packet)


@case(peer=NOT_THERE)
def advertised():
    with branching() as s:
        for word in ("Qbtrace:bts+", "Qbtrace:off+", "Qbtrace-conf:bts:size+",
                     "qXfer:btrace:read+", "qXfer:btrace-conf:read+"):
            check(word in s.supported.split(";"), word)
        check("Qbtrace:pt" not in s.supported, "Intel PT")


@case(peer=NOT_THERE)
def on_and_off():
    conf = "qXfer:btrace-conf:read::0,fff"
    with branching("calls") as s:
        refused(s, conf, "Btrace not enabled.")
        refused(s, "qXfer:btrace:read:all:0,fff", "Btrace not enabled.")
        refused(s, "Qbtrace:off", "Branch tracing not enabled.")
        s.record()
        check(is_followed(s), "not followed")
        check('size="0x10000"' in s.packet(conf), "size")
        refused(s, "Qbtrace:bts", "Btrace already enabled.")
        refused(s, "qXfer:btrace:read:some:0,fff", "Bad annex.")
        equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(is_followed(s), OPTIONS.follow, "still followed")
        refused(s, conf, "Btrace not enabled.")
        for asked, given in (("0x4000", "0x4000"), ("1", "0x1000"),
                             ("0xffffffff", "0x400000")):
            equal(s.packet("Qbtrace-conf:bts:size=" + asked), "OK", "size")
            s.record()
            check('size="%s"' % given in s.packet(conf), asked)
            equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(s.packet("Hg-1"), "OK", "Hg")
        refused(s, "Qbtrace:bts", "Must select a single thread.")
        equal(s.packet("Hg0"), "OK", "Hg")
        refused(s, "Qbtrace:bts", "Must select a single thread.")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def followed_before():
    """Recording changes how a program is followed, and changes it back."""
    with branching("calls") as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        for mode in "none", "coverage", "count":
            equal(s.packet("qTrace:follow:-1;mode=" + mode), "OK", mode)
            s.select(s.tid())
            if mode == "none":
                s.record()
                s.run_to("factorial")
                check(len(s.blocks()) > 2, "too few blocks")
                equal(s.packet("Qbtrace:off"), "OK", "off")
                check(is_followed(s), "not followed any more")
            else:
                check("unfollow" in s.packet("Qbtrace:bts"), mode)
            equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        s.record()
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        s.select(s.tid())
        refused(s, "qXfer:btrace:read:all:0,fff", "Btrace not enabled.")
        s.record()
        s.run_to("tail")
        check(len(s.blocks()) > 2, "too few blocks")
        equal(s.finish().number, 0, "status")


def threads_followed(s):
    return {int(tid, 16): mode for tid, mode in re.findall(
        r"p[0-9a-f]+\.([0-9a-f]+),followed,(\w+)", s.packet("qTrace:threads"))}


def folded(s):
    return s.xfer("qtrace", "stacks.folded").decode()


@case(peer=NOT_THERE)
def recorded_too():
    """A record of all that is executed goes on beside it, and alone."""
    with branching("calls") as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        equal(s.packet("qTrace:follow:-1;mode=flow"), "OK", "flow")
        s.record()
        glued = Glued(s)
        s.run_to("factorial")
        glued.read()
        check(len(glued.blocks) > 2, "too few blocks")
        equal(glued.blocks, s.blocks(), "all")
        equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(set(threads_followed(s).values()), {"flow"}, "after that")
        s.run_to("piece_done")
        check("factorial;factorial;factorial" in folded(s), "not recorded")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def recorded_later():
    """The history goes on when a record is begun, and that without it."""
    with branching("calls") as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        s.select(s.tid())
        s.record()
        glued = Glued(s)
        for _ in range(3):
            s.step()
        check("history" in s.packet("qTrace:follow:-1;mode=count"), "count")
        before = s.blocks()
        equal(s.packet("qTrace:follow:-1;mode=flow"), "OK", "flow")
        equal(s.blocks(), before, "blocks")
        s.run_to("factorial")
        glued.read()
        equal(glued.blocks, s.blocks(), "all")
        check(len(glued.blocks) > len(before), "too few blocks")
        equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(set(threads_followed(s).values()), {"flow"}, "after that")
        check("main" in folded(s), "not recorded")


@case(peer=NOT_THERE)
def another_process_is_recorded():
    """What is followed for its history alone is in no record."""
    events = "multiprocess+;swbreak+;vContSupported+;fork-events+"
    with branching("fork", "calls", features=events) as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        parent = s.tid()
        child = s.cont().fields["fork"].split(".")[0]
        equal(s.packet("qTrace:follow:%s.-1;mode=flow" % child), "OK", "flow")
        s.record(parent)
        for _ in range(20):
            s.step(parent)
        s.select(parent)
        check(len(s.blocks()) > 1, "too few blocks")
        equal(folded(s), "", "recorded")


@case(peer=NOT_THERE)
def single_threads():
    """Who is not followed is, for as long as its history is wanted."""
    with History("threads", "3", "forever") as s:
        s.run_to("all_there")
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        main, first, second = s.tids()[:3]
        for tid in main, first:
            equal(s.packet("qTrace:follow:p%x.%x" % (s.pid, tid)), "OK", tid)
        before = {main: "none", first: "none"}
        equal(threads_followed(s), before, "followed")
        s.record(main)
        equal(threads_followed(s).keys(), {main, first}, "recorded")
        s.record(second)
        equal(threads_followed(s).keys(), {main, first, second}, "recorded")
        for tid in main, second:
            s.select(tid)
            equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(threads_followed(s), before, "after that")


@case(peer=NOT_THERE)
def new_and_all():
    with branching("calls") as s:
        s.record()
        equal(s.blocks("delta"), [(0, s.pc())], "delta, at first")
        equal(s.blocks("new"), [], "new, at first")
        equal(s.blocks("all"), [(s.pc(), s.pc())], "all, at first")
        s.run_to("factorial")
        all_of = s.blocks("new")
        check(len(all_of) > 3, "too few blocks")
        equal(s.blocks("new"), [], "new again")
        equal(s.blocks("all"), all_of, "all")
        equal(s.blocks("delta"), [(0, s.pc())], "delta")


@case(peer=NOT_THERE)
def read_at_a_signal():
    """The handler comes before what was to come: that is no delta."""
    with branching("signals", "calls") as s:
        s.record()
        glued = Glued(s)
        equal(s.cont().number, 30, "SIGUSR1")
        glued.read()
        equal(glued.whole, 0, "before")
        s.point(0, "count")
        equal(s.signal(30).number, 5, "SIGTRAP")
        glued.read()
        equal(glued.whole, 1, "whole")
        equal(glued.blocks, s.blocks(), "all")
        equal(glued.blocks[0], (s.pc(), s.pc()), "the handler")


@case(peer=NOT_THERE)
def pc_is_set():
    with branching("calls") as s:
        s.record()
        glued = Glued(s)
        for _ in range(3):
            s.step()
        glued.read()
        before = s.pc()
        s.set_reg("rip", s.addr("factorial"))
        glued.read()
        equal(glued.whole, 1, "whole")
        equal(glued.blocks[0], (s.pc(), s.pc()), "newest")
        check(before not in glued.blocks[1], "not executed")
        s.step()
        glued.read()
        equal(glued.whole, 1, "whole")
        equal(glued.blocks, s.blocks(), "all")


@case(peer=NOT_THERE)
def thread_from_its_birth():
    with branching("thread") as s:
        first = s.tid()
        s.record()
        s.point(0, "factorial")
        s.cont()
        tid = s.tid()
        check(tid != first, "the same thread")
        refused(s, "qXfer:btrace-conf:read::0,fff", "Btrace not enabled.")
        s.record(tid)
        glued = Glued(s)
        glued.read()
        equal(glued.whole, 1, "whole")
        check(len(glued.blocks) > 10, "only", glued.blocks)
        s.cont()
        glued.read()
        equal(glued.blocks, s.blocks(), "all")
        s.clear(0, "factorial")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def child_goes_its_way():
    with branching("fork", "calls") as s:
        s.record()
        s.run_to("piece_done")
        check(len(s.blocks()) > 100, "too few blocks")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def another_program():
    events = "multiprocess+;swbreak+;vContSupported+;exec-events+"
    with branching("exec", features=events, size=0x100000) as s:
        s.record()
        s.step()
        check("exec" in s.cont().fields, "no exec")
        refused(s, "qXfer:btrace:read:delta:0,fff", "Overflow.")
        equal(s.blocks("new"), [(s.pc(), s.pc())], "new")
        s.run_to("factorial")
        check(len(s.blocks("delta")) > 1000, "too few blocks")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def client_comes_again():
    with branching("calls") as s:
        s.record()
        s.run_to("factorial")
        before = s.blocks()
        s.sock.close()
        s.acks, s.rx = True, b""
        s.connect("multiprocess+;swbreak+")
        s.select(s.tid())
        equal(s.blocks(), before, "blocks")
        equal(s.packet("D;%x" % s.pid), "OK", "D")


if __name__ == "__main__":
    raise SystemExit(main())
