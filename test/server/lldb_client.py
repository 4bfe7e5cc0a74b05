"""lldb's side of `tracestub gdbserver', packet by packet."""
import json
import re
import socket
import subprocess
import tempfile

from rsp import OPTIONS, PATIENCE, check, equal
from wire import expand, frame

LLDB = "qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+;fork-events+"


class Client:
    """lldb's side of a socket pair: --fd, as lldb starts its server."""

    def __init__(self, *program, features=LLDB, options=(), plain=False):
        ours, theirs = socket.socketpair()
        command = [OPTIONS.server, "gdbserver", "--native-regs",
                   "--fd=%d" % theirs.fileno(), *options]
        if program:
            command += ["--", *program]
        self.errors = tempfile.TemporaryFile()
        self.server = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.errors)
        theirs.close()
        self.sock, self.rx, self.acks = ours, b"", True
        self.output = b""
        self.supported = self.ask(features)
        equal(self.ask("QStartNoAckMode"), "OK", "QStartNoAckMode")
        self.acks = False
        if not plain:
            for p in ("QThreadSuffixSupported", "QListThreadsInStopReply",
                      "QEnableErrorStrings"):
                equal(self.ask(p), "OK", p)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        try:
            self.server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.server.kill()
            raise
        self.errors.close()

    def raw(self, seconds=10):
        """The next packet, or None at the end."""
        self.sock.settimeout(seconds)
        while True:
            found = re.search(rb"[$%]([^#]*)#..", self.rx, re.S)
            if found:
                self.rx = self.rx[found.end():]
                if self.acks:
                    self.sock.sendall(b"+")
                return expand(found.group(1)).decode("latin-1")
            data = self.sock.recv(65536)
            if not data:
                return None
            self.rx += data

    def ask(self, text):
        self.sock.sendall(frame(text))
        return self.raw()

    def stop(self):
        """The reply that ends a run; output on the way is kept."""
        while True:
            reply = self.raw()
            if reply is None or reply[:1] != "O" or reply == "OK":
                return reply
            self.output += bytes.fromhex(reply[1:])

    def resume(self, text="vCont;c"):
        self.sock.sendall(frame(text))
        return self.stop()


def text(s):
    return s.encode().hex()


def pairs(reply):
    return dict(x.split(":", 1) for x in reply.rstrip(";").split(";"))


def asked(name, value):
    """A packet of JSON, escaped as lldb does."""
    return name + ":" + json.dumps(value).replace("}", "}]")


def registers(c):
    """Name to number and width, of qRegisterInfo; g has what is not wide."""
    out, sizes = {}, {False: 0, True: 0}
    for n in range(1000):
        reply = c.ask("qRegisterInfo%x" % n)
        if reply[:1] == "E":
            equal(len(c.ask("g")), 2 * sizes[False], "g")
            return out
        info = pairs(reply)
        wide = info["set"] == "AVX-512 Registers"
        end = int(info["offset"]) + int(info["bitsize"]) // 8
        check(not wide or end > sizes[False], "g has", info["name"])
        sizes[wide] = max(sizes[wide], end)
        out[info["name"]] = n, int(info["bitsize"]) // 8
    raise AssertionError("registers without end")
