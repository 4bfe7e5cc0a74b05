"""A client of the GDB remote serial protocol, as small as tests need it, and
the frame that test/server/hard_*.py run in: a case is a function.

    with Session("prog", "arg") as s:        # or attach=pid
        s.point(0, "function")
        stop = s.cont()

Runs against tracestub, or with --server gdbserver against that: the oracle.
"""
import argparse
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter

from processes import PATIENCE, status_field, task_state, until
from skips import LEFT_OUT, Skip, Skipped
from wire import expand, frame

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import machine

OPTIONS = argparse.Namespace(server=None, inferiors=None, peer=False,
                             follow=False)
CASES = []
CASE_SECONDS = 100

# What a session's client says that it understands; a case may say more.
FEATURES = "multiprocess+;swbreak+;hwbreak+;vContSupported+;no-resumed+;" \
    "xmlRegisters=i386"

# The numbers in target.xml of what both machines' descriptions begin with.
REGS64 = {n: i for i, n in enumerate(
    "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip "
    "eflags cs ss ds es fs gs".split())}
REGS32 = {n: i for i, n in enumerate(
    "eax ecx edx ebx esp ebp esi edi eip eflags cs ss ds es fs gs".split())}


class Late(Exception):
    pass


def check(what, *text):
    if not what:
        raise AssertionError(" ".join(str(t) for t in text) or "not so")


def equal(got, want, what=""):
    if got != want:
        raise AssertionError("%s: got %r, want %r" % (what, got, want))


# --- programs ---------------------------------------------------------------

class Elf:
    """Symbols and entry point of a program file."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.word = 8 if self.data[4] == 2 else 4
        layout = "<HHIQQQIHHHHHH" if self.word == 8 else "<HHIIIIIHHHHHH"
        head = struct.unpack_from(layout, self.data, 16)
        self.pie, self.entry = head[0] == 3, head[3]
        self.symbols = {}
        self.sizes = {}
        for section in self.sections(head):
            if section[1] == 2:         # SHT_SYMTAB
                self.take_symbols(section, head)

    def section(self, head, i):
        layout = "<IIQQQQIIQQ" if self.word == 8 else "<IIIIIIIIII"
        return struct.unpack_from(layout, self.data, head[5] + i * head[10])

    def sections(self, head):
        return [self.section(head, i) for i in range(head[11])]

    def take_symbols(self, section, head):
        strings = self.section(head, section[6])[4]
        size = 24 if self.word == 8 else 16
        for at in range(section[4], section[4] + section[5], size):
            if self.word == 8:
                name, info, _, shndx, value, n = struct.unpack_from(
                    "<IBBHQQ", self.data, at)
            else:
                name, value, n, info, _, shndx = struct.unpack_from(
                    "<IIIBBH", self.data, at)
            if name and shndx:
                end = self.data.index(b"\0", strings + name)
                key = self.data[strings + name:end].decode()
                self.symbols[key] = value
                self.sizes[key] = n


def inferior(name):
    path = os.path.join(OPTIONS.inferiors, name)
    why = machine.why_not(path, OPTIONS.inferiors) if os.path.exists(path) \
        else "%s is not built here" % name
    if why:
        raise Skip(why)
    return path


def forms(names):
    """Those of a program's forms that can be executed here. The others are
    said to be left out; a case that has none but them is skipped."""
    good, none = [], None
    for name in names:
        try:
            inferior(name)
            good.append(name)
        except Skip as e:
            LEFT_OUT[name], none = str(e), e
    if not good:
        raise none
    return good


def need_int80():
    if not machine.has_int80(OPTIONS.inferiors):
        raise Skip(machine.NO_INT80)


def need_unfollowed():
    if OPTIONS.follow:
        raise Skip("it is followed anyway")


class Program:
    """A program that runs by itself, to attach to; ended at the end."""

    def __init__(self, name, *args, **kw):
        self.path = inferior(name)
        self.proc = subprocess.Popen(
            [self.path, *args], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, preexec_fn=os.setpgrp, **kw)
        self.pid = self.proc.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        self.proc.wait()
        self.proc.stdout.close()

    def line(self):
        return self.proc.stdout.readline().decode().rstrip("\n")

    def wait(self, seconds=PATIENCE):
        return self.proc.wait(seconds)


# --- packets ----------------------------------------------------------------

class Stop:
    """A stop reply. kind is its first letter; number the signal or status."""

    def __init__(self, text):
        self.text = text
        self.kind = text[:1]
        self.number = None
        if self.kind in ("T", "S", "W", "X"):
            self.number = int(text[1:].partition(";")[0][:2], 16)
        self.fields = {}
        for part in text[3:].split(";") if self.kind == "T" else []:
            key, _, value = part.partition(":")
            self.fields[key] = value
        self.tid = None
        if "thread" in self.fields:
            self.tid = ptid(self.fields["thread"])[1]

    def __repr__(self):
        return self.text


def ptid(text):
    if text[0] == "p":
        pid, _, tid = text[1:].partition(".")
        return int(pid, 16), int(tid, 16)
    return None, int(text, 16)


class Session:
    def __init__(self, name=None, *args, attach=None, path=None, wrap=None,
                 features=FEATURES, options=()):
        self.path = path or (inferior(name) if name else None)
        self.elf = Elf(self.path) if self.path else None
        self.base = None
        self.rx = b""
        self.acks = True
        self.notes = []
        command = [OPTIONS.server, *options]
        if OPTIONS.follow:
            command.append("--follow")
        if attach:
            command += ["--attach", "localhost:0", str(attach)]
        else:
            command += ["localhost:0", *(wrap or [self.path]), *args]
        self.errors = tempfile.TemporaryFile()
        self.output = tempfile.TemporaryFile()
        self.server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=self.errors)
        try:
            self.connect(features)
        except BaseException:
            self.close()
            raise

    def connect(self, features):
        port = None

        def listening():
            nonlocal port
            found = re.search(rb"Listening on port (\d+)", self.said())
            port = int(found.group(1)) if found else None
            return port or self.server.poll() is not None
        until(listening)
        check(port, "the server says:", self.said().decode(errors="replace"))
        self.port = port
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.supported = self.packet("qSupported:" + features)
        equal(self.packet("QStartNoAckMode"), "OK", "QStartNoAckMode")
        self.acks = False
        # What gdb asks for: SIGURG SIGCHLD SIGIO SIGWINCH.
        equal(self.packet("QPassSignals:10;14;17;1c"), "OK", "QPassSignals")
        self.first = Stop(self.packet("?"))
        self.pid = ptid(self.fields_thread())[0] if \
            "multiprocess+" in features else None

    def fields_thread(self):
        return self.first.fields["thread"]

    def said(self):
        self.errors.seek(0)
        return self.errors.read(100000)

    def printed(self):
        """What the program wrote to its standard output."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if hasattr(self, "sock"):
            self.sock.close()
        try:
            self.server.wait(0.05)
        except subprocess.TimeoutExpired:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(1)
            except subprocess.TimeoutExpired:
                self.server.kill()
        status = self.server.wait()
        said = self.said()
        self.errors.close()
        self.output.close()
        if b"Sanitizer" in said or b"runtime error" in said or \
                status == -signal.SIGABRT or status == -signal.SIGSEGV:
            raise AssertionError("the server ended with %d: %s" % (
                status, said.decode(errors="replace")[-1500:]))

    # --- bytes

    def send(self, text):
        self.sock.sendall(frame(text))

    def receive(self, seconds, notes=False):
        """The next packet's payload, or None when there is none in time.
        Notifications are put by; with notes the first ends the wait."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(rb"([$%])([^#]*)#..", self.rx, re.S)
            if found:
                self.rx = self.rx[found.end():]
                if found.group(1) == b"%":
                    self.notes.append(expand(found.group(2)).decode("latin-1"))
                    if notes:
                        return None
                    continue
                if self.acks:
                    self.sock.sendall(b"+")
                return expand(found.group(2))
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            data = self.sock.recv(65536)
            if not data:
                raise AssertionError("the server has gone: " + self.said()
                                     .decode(errors="replace")[-1500:])
            self.rx += data

    def packet(self, text, seconds=PATIENCE):
        self.send(text)
        reply = self.receive(seconds)
        if reply is None:
            raise Late("no reply to " + str(text))
        return reply.decode("latin-1")

    # --- running

    def start(self, text="vCont;c"):
        self.send(text)

    def wait(self, seconds=PATIENCE, select=True):
        """The stop reply; console output on the way is left out. Its thread is
        selected: not where it may be ended already."""
        end = time.monotonic() + seconds
        while True:
            reply = self.receive(end - time.monotonic())
            if reply is None:
                raise Late("nothing stopped in %g s" % seconds)
            if reply[:1] != b"O":
                stop = Stop(reply.decode("latin-1"))
                if stop.tid and select:
                    self.select_if_there(stop.tid)
                return stop

    def quiet(self, seconds):
        """Nothing stops for so long."""
        reply = self.receive(seconds)
        check(reply is None, "unexpected", reply)

    def cont(self, seconds=PATIENCE):
        self.start()
        return self.wait(seconds)

    def step(self, tid=None, seconds=PATIENCE):
        self.start("vCont;s:" + self.name(tid or self.tid()))
        return self.wait(seconds)

    def signal(self, number, step=False, seconds=PATIENCE):
        """Continues (steps) the current thread with a signal of gdb's."""
        self.start("vCont;%s%02x:%s;c" % ("S" if step else "C", number,
                                          self.name(self.tid())))
        return self.wait(seconds)

    def interrupt(self, seconds=PATIENCE):
        """^C; the stop."""
        self.sock.sendall(b"\x03")
        return self.wait(seconds)

    def run_until(self, what, seconds=PATIENCE, pause=0.02):
        """Lets it run for a moment and stops it, until what() holds: how far
        a program comes in that time is up to the machine."""
        def once():
            self.start()
            time.sleep(pause)
            self.interrupt()
            return what()
        return until(once, seconds)

    def finish(self, seconds=PATIENCE):
        """To the program's end."""
        stop = self.cont(seconds)
        check(stop.kind in "WX", "not the end:", stop)
        return stop

    # --- threads

    def name(self, tid):
        return "p%x.%x" % (self.pid, tid) if self.pid else "%x" % tid

    def tid(self):
        return ptid(self.packet("qC")[2:])[1]

    def tids(self):
        out = []
        reply = self.packet("qfThreadInfo")
        while reply[:1] == "m":
            out += [ptid(t)[1] for t in reply[1:].split(",")]
            reply = self.packet("qsThreadInfo")
        return out

    def select_if_there(self, tid):
        """It may have been killed since its stop."""
        try:
            self.select(tid)
        except AssertionError:
            check(task_state(tid) in ("", "Z", "X"), "thread", tid, "is there")

    def select(self, tid):
        equal(self.packet("Hg" + self.name(tid)), "OK", "Hg")

    # --- registers and memory

    def regno(self, name):
        return (REGS64 if self.elf.word == 8 else REGS32)[name]

    def all_regs(self):
        reply = self.packet("g")
        check(reply[:1] != "E", "no registers:", reply)
        return reply

    def span(self, name):
        """Of a register in the g packet's text."""
        n, word = self.regno(name), self.elf.word
        size = word if n <= 16 else 4
        at = n * word if n <= 17 else 17 * word + (n - 17) * 4
        return 2 * at, 2 * (at + size)

    def reg(self, name):
        begin, end = self.span(name)
        return int.from_bytes(bytes.fromhex(self.all_regs()[begin:end]),
                              "little")

    def set_reg(self, name, value):
        begin, end = self.span(name)
        text = self.all_regs()
        value = value.to_bytes((end - begin) // 2, "little").hex()
        if "x" in text:     # what is not available cannot be written
            equal(self.packet("P%x=%s" % (self.regno(name), value)), "OK",
                  "P " + name)
        else:
            equal(self.packet("G" + text[:begin] + value + text[end:]), "OK",
                  "G, for " + name)

    def pc(self):
        return self.reg("rip" if self.elf.word == 8 else "eip")

    def read(self, addr, size):
        reply = self.packet("m%x,%x" % (addr, size))
        check(reply[:1] != "E", "cannot read %#x:" % addr, reply)
        return bytes.fromhex(reply)

    def write(self, addr, data):
        equal(self.packet("M%x,%x:%s" % (addr, len(data), data.hex())), "OK",
              "M")

    def xfer(self, what, annex=""):
        out = b""
        while True:
            reply = self.packet("qXfer:%s:read:%s:%x,%x" % (
                what, annex, len(out), 0x1000))
            check(reply[:1] in ("l", "m"), "qXfer", what, reply)
            out += reply[1:].encode("latin-1")
            if reply[0] == "l":
                return out

    def addr(self, symbol):
        """Of a symbol, where the program is loaded."""
        if isinstance(symbol, int):
            return symbol
        if self.base is None:
            self.base = self.entry() - self.elf.entry if self.elf.pie else 0
        return self.elf.symbols[symbol] + self.base

    def entry(self):
        form = "<QQ" if self.elf.word == 8 else "<II"
        auxv = self.xfer("auxv")
        for key, value in struct.iter_unpack(form, auxv):
            if key == 9:        # AT_ENTRY
                return value
        raise AssertionError("no AT_ENTRY in auxv of %d bytes" % len(auxv))

    def var(self, symbol, size=4):
        return int.from_bytes(self.read(self.addr(symbol), size), "little",
                              signed=True)

    def set_var(self, symbol, value, size=4):
        self.write(self.addr(symbol), value.to_bytes(size, "little"))

    # --- points

    def point(self, kind, where, size=1, rest=""):
        equal(self.try_point(kind, where, size, rest), "OK", "Z%d %s" % (
            kind, where))

    def try_point(self, kind, where, size=1, rest=""):
        return self.packet("Z%d,%x,%x%s" % (kind, self.addr(where), size,
                                            rest))

    def clear(self, kind, where, size=1):
        equal(self.packet("z%d,%x,%x" % (kind, self.addr(where), size)), "OK",
              "z%d %s" % (kind, where))

    def run_to(self, where):
        """With a breakpoint that is taken out again."""
        self.point(0, where)
        stop = self.cont()
        self.at(where, stop)
        self.clear(0, where)
        return stop

    def at(self, where, stop):
        check(stop.kind == "T" and stop.number == 5, "not a trap:", stop)
        equal(hex(self.pc()), hex(self.addr(where)), "pc at %s" % where)


NOT_TRANSLATED = "i386 programs are not translated"
FALSE = ";X3,220027"        # const8 0, end: a condition that never holds


# --- the frame --------------------------------------------------------------

def case(function=None, peer=True, seconds=CASE_SECONDS):
    """Marks a test. peer=False or a text: not for gdbserver, and why."""
    def mark(f):
        f.peer, f.seconds = peer, seconds
        CASES.append(f)
        return f
    return mark(function) if function else mark


def on_alarm(*_):
    raise Late("the case takes too long")


def run_case(f):
    name = f.__name__
    if OPTIONS.peer and f.peer is not True:
        return "skip", "by design: %s" % (f.peer or "not of gdbserver")
    LEFT_OUT.clear()
    signal.alarm(f.seconds)
    try:
        f()
        return "ok", ", ".join("without %s, %s" % w for w in LEFT_OUT.items())
    except Skip as e:
        return "skip", str(e)
    except Exception as e:
        if OPTIONS.follow and NOT_TRANSLATED in str(e):
            return "skip", NOT_TRANSLATED
        if os.environ.get("HARD_TRACE"):
            traceback.print_exc()
        return "FAIL", "%s (%s, line %s)" % (
            e, type(e).__name__, where_in(f))
    finally:
        signal.alarm(0)


def where_in(f):
    for frame, line in traceback.walk_tb(sys.exc_info()[2]):
        if frame.f_code.co_name == f.__name__:
            return line
    return "?"


def main():
    """exit status: 0 all passed, 1 one failed, 77 all were skipped."""
    p = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    p.add_argument("--server", default="build/rel/tracestub")
    p.add_argument("--inferiors", default="build/rel/test/inferiors")
    p.add_argument("--follow", action="store_true",
                   help="the programs run translated")
    p.add_argument("cases", nargs="*", help="names; default: all")
    o = p.parse_args()
    OPTIONS.server, OPTIONS.inferiors = o.server, os.path.abspath(o.inferiors)
    OPTIONS.follow = o.follow
    OPTIONS.peer = "gdbserver" in os.path.basename(o.server)
    signal.signal(signal.SIGALRM, on_alarm)
    count, skipped = Counter(), Skipped()
    for f in CASES:
        if o.cases and f.__name__ not in o.cases:
            continue
        began = time.monotonic()
        result, why = run_case(f)
        count[result] += 1
        skipped.take(f.__name__, result, why)
        print("%-4s %s%s%s" % (result, f.__name__, why and ": " + why,
                               " (%.1f s)" % (time.monotonic() - began)),
              flush=True)
    skipped.show()
    if count["FAIL"] or not sum(count.values()):
        return 1
    return 0 if count["ok"] else 77
