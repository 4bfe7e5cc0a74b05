"""A client of a server that has no program yet: --multi."""
import re
import socket
import subprocess
import tempfile

from rsp import OPTIONS, Elf, Session, Stop, check, equal, inferior, ptid, until

FEATURES = ("multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;"
            "exec-events+;vContSupported+;no-resumed+;xmlRegisters=i386")


class Extended(Session):
    """A server that has no program yet; clients may come again."""

    def __init__(self, *options, features=FEATURES):
        self.features = features
        self.pid = self.path = self.elf = self.sock = None
        self.errors = tempfile.TemporaryFile()
        self.output = tempfile.TemporaryFile()
        self.server = subprocess.Popen(
            [OPTIONS.server, *options, "--multi", "localhost:0"],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.errors)
        found = []

        def listening():
            found[:] = re.findall(rb"Listening on port (\d+)", self.said())
            return found or self.server.poll() is not None
        until(listening)
        check(found, "the server says:", self.said().decode(errors="replace"))
        self.port = int(found[0])
        self.come()

    def come(self):
        self.rx, self.acks, self.notes = b"", True, []
        self.sock = socket.create_connection(("127.0.0.1", self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.supported = self.packet("qSupported:" + self.features)
        equal(self.packet("QStartNoAckMode"), "OK", "QStartNoAckMode")
        self.acks = False
        equal(self.packet("!"), "OK", "!")
        self.first = Stop(self.packet("?"))

    def go(self):
        self.sock.close()

    def started(self, text):
        stop = Stop(self.packet(text))
        check(stop.kind == "T", text, "answers", stop)
        self.pid = ptid(stop.fields["thread"])[0]
        self.select(self.pid)
        return stop

    def run(self, name="", *args):
        words = [inferior(name) if name else "", *args]
        if name:
            self.elf = Elf(words[0])
        self.base = None
        return self.started("vRun;" + ";".join(
            w.encode().hex() for w in words))

    def attach(self, pid):
        return self.started("vAttach;%x" % pid)

    def pids(self):
        out = []
        reply = self.packet("qfThreadInfo")
        while reply[:1] == "m":
            out += [ptid(t)[0] for t in reply[1:].split(",")]
            reply = self.packet("qsThreadInfo")
        return sorted(out)

    def select(self, tid):
        """Of any process."""
        with open("/proc/%d/status" % tid) as f:
            found = re.search(r"^Tgid:\t(\d+)$", f.read(), re.M)
        if int(found.group(1)) != self.pid:
            self.pid, self.base = int(found.group(1)), None
        super().select(tid)

    def use(self, pid):
        self.pid, self.base = pid, None
        self.select(pid)


def arguments(pid):
    with open("/proc/%d/cmdline" % pid, "rb") as f:
        return [w.decode() for w in f.read().split(b"\0")[1:-1]]
