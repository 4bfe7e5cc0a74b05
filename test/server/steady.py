"""What tests of the running server share: a small RSP client, processes that
are certain to end, and what /proc says of them. Standard library only."""
import argparse
import atexit
import contextlib
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

from wire import expand, frame

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 30.0      # seconds for any reply


class Gone(Exception):
    """The server has closed the connection."""


class Late(Exception):
    """It has not replied."""


# --- processes ---------------------------------------------------------------

_ours = []


def spawn(argv, **kw):
    """A process that does not outlive this one."""
    p = subprocess.Popen(argv, **kw)
    _ours.append(p)
    return p


def end(p):
    if p.poll() is None:
        p.kill()
    p.wait()
    if p in _ours:
        _ours.remove(p)


@atexit.register
def _end_all():
    for p in list(_ours):
        end(p)


def wait_until(what, seconds=TIMEOUT):
    """Polls what() until it is true; the last value."""
    limit = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > limit:
            return value
        time.sleep(0.002)


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def status(pid, field):
    for line in read("/proc/%d/status" % pid).decode().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    return None


def alive(pid):
    return (status(pid, "State") or "Z")[0] not in "ZX"


def threads(pid):
    return [int(t) for t in os.listdir("/proc/%d/task" % pid)]


def children(pid):
    return [int(c) for c in
            read("/proc/%d/task/%d/children" % (pid, pid)).split()]


def maps(pid):
    return read("/proc/%d/maps" % pid).decode()


def changed_text(pid, may_have_cache=False):
    """Addresses of code that differs from the file it was mapped from, or is
    from none that there is: a cache of ours."""
    bad = []
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for line in maps(pid).splitlines():
            f = line.split(None, 5)
            if "x" not in f[1] or "w" in f[1] or len(f) < 6 or \
                    not f[5].startswith("/"):
                continue
            lo, hi = (int(x, 16) for x in f[0].split("-"))
            if not os.path.exists(f[5]):
                bad += [] if may_have_cache else [lo]
                continue
            mem.seek(lo)
            have = mem.read(hi - lo)
            with open(f[5], "rb") as file:
                file.seek(int(f[2], 16))
                want = file.read(hi - lo)
            if have[:len(want)] != want:
                bad += [lo + i for i, (a, b) in enumerate(zip(have, want))
                        if a != b]
    return bad


# --- the server --------------------------------------------------------------

class Server:
    """A server on a unix socket of its own."""

    def __init__(self, command, *args, log=subprocess.DEVNULL):
        self.dir = tempfile.TemporaryDirectory(prefix="tracestub.")
        self.path = os.path.join(self.dir.name, "s")
        args = [a.replace("COMM", "unix:" + self.path) for a in args]
        self.process = spawn([command] + args, stdin=subprocess.DEVNULL,
                             stdout=log, stderr=log)
        self.pid = self.process.pid
        wait_until(lambda: os.path.exists(self.path) or
                   self.process.poll() is not None)

    def connect(self):
        return Client(self.path)

    def close(self):
        """kill -9; its guardian ends by itself."""
        left = children(self.pid)
        end(self.process)
        wait_until(lambda: not any(map(alive, left)))
        self.dir.cleanup()


# --- the protocol ------------------------------------------------------------

class Client:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        wait_until(lambda: self._connect(path))
        self.data = b""
        self.acks = True

    def _connect(self, path):
        with contextlib.suppress(OSError):
            self.sock.connect(path)
            return True
        return False

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def raw(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone() from e

    def send(self, payload):
        self.raw(frame(payload))

    def receive(self, seconds=TIMEOUT):
        """The next packet's payload, as text."""
        limit = time.monotonic() + seconds
        while True:
            at = self.data.find(b"$")
            end_at = self.data.find(b"#", at)
            if 0 <= at < end_at and len(self.data) >= end_at + 3:
                payload = self.data[at + 1:end_at]
                self.data = self.data[end_at + 3:]
                if self.acks:
                    self.raw(b"+")
                return expand(payload).decode("latin-1")
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise Late()
            try:
                data = self.sock.recv(65536)
            except OSError as e:
                raise Gone() from e
            if not data:
                raise Gone()
            self.data += data

    def ask(self, payload, seconds=TIMEOUT):
        self.send(payload)
        return self.receive(seconds)

    def begin(self, features="multiprocess+;swbreak+;hwbreak+;vContSupported+"):
        self.ask("qSupported:" + features)
        self.ask("QStartNoAckMode")
        self.acks = False
        return self.ask("?")


# An agent expression that is false: const8 0, end.
FALSE = ";X3,220027"


# --- the inferior ------------------------------------------------------------

class Steady:
    """test/inferiors/steady.c, running, and what it reports of itself."""
    WORDS = ("count", "sum_first", "sum_now", "sums", "children",
             "bad_children", "signals", "wrong", "watch")
    FUNCTIONS = 10

    def __init__(self, inferiors, interval=10000, n_threads=1, what="",
                 start=None):
        self.dir = tempfile.TemporaryDirectory(prefix="tracestub.")
        self.file = os.path.join(self.dir.name, "report")
        self.argv = [os.path.join(inferiors, "steady"), self.file,
                     str(interval), str(n_threads), what]
        self.process = None
        if start is None:
            self.process = spawn(self.argv, stdin=subprocess.DEVNULL)
            self.pid = self.process.pid
            self.open()

    def open(self):
        wait_until(lambda: len(read(self.file)) >= 8 * 19)
        with open(self.file, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        wait_until(lambda: self.sums > 1)
        at = 8 * len(self.WORDS)
        self.functions = struct.unpack_from("<10Q", self.map, at)

    def __getattr__(self, name):
        if name in Steady.WORDS:
            at = Steady.WORDS.index(name)
            return struct.unpack_from("<Q", self.map, 8 * at)[0]
        raise AttributeError(name)

    def ended(self):
        return self.process.poll() is not None

    def runs(self, seconds=2.0):
        """It goes on counting."""
        was = self.count
        return wait_until(lambda: self.ended() or self.count > was + 1,
                          seconds) and not self.ended()

    def trouble(self, may_have_cache=False):
        """What is wrong with it, or None: it runs, nobody traces it, and
        nothing is in its text."""
        if self.ended():
            return "ended with %d" % self.process.returncode
        if not wait_until(lambda: status(self.pid, "TracerPid") == "0"):
            return "still traced"
        if not self.runs() and not self.ended():
            return "stands still: " + str(status(self.pid, "State"))
        bad = [] if self.ended() else \
            changed_text(self.pid, may_have_cache)
        if bad:
            return "changed text at " + " ".join(map(hex, bad[:10]))
        was = self.sums
        wait_until(lambda: self.sums > was + 1 or self.ended())
        if self.ended():
            return "ended with %d" % self.process.returncode
        if self.sum_now != self.sum_first:
            return "its checksum differs"
        if self.wrong or self.bad_children:
            return "%d wrong results, %d bad children" % (
                self.wrong, self.bad_children)
        return None

    def close(self):
        if self.process:
            end(self.process)
        self.dir.cleanup()


# --- cases -------------------------------------------------------------------

class Cases:
    """ok NAME, FAIL NAME: WHY; the exit status."""

    def __init__(self):
        self.failed = 0
        self.since = time.monotonic()

    def check(self, name, why):
        """why: None or "" when all is well."""
        self.failed += bool(why)
        now = time.monotonic()
        print("FAIL %s: %s" % (name, why) if why else
              "ok %s %.1f s" % (name, now - self.since), flush=True)
        self.since = now

    def exit_status(self):
        return 1 if self.failed else 0


def arguments(doc):
    ap = argparse.ArgumentParser(description=doc)
    ap.add_argument("--server", default="build/rel/tracestub")
    ap.add_argument("--inferiors", default="build/rel/test/inferiors")
    return ap


def prepare(opt):
    """Builds the inferior where the makefile has not."""
    out = os.path.join(opt.inferiors, "steady")
    if not os.path.exists(out):
        os.makedirs(opt.inferiors, exist_ok=True)
        subprocess.check_call(
            ["cc", "-O1", "-g", "-pthread", "-o", out,
             os.path.join(HERE, "..", "inferiors", "steady.c")])
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
