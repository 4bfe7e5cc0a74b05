"""A client of the GDB remote protocol, small enough to trust, for tests of
the server from outside. Every wait is bounded by TIMEOUT."""
import os
import select
import socket
import time

from wire import expand, frame

TIMEOUT = 30.0


class Gone(Exception):
    """The server closed the connection."""


class Client:
    """Speaks over a socket or a pair of descriptors."""

    def __init__(self, read_fd, write_fd=None, keep=None):
        self.rfd = read_fd
        self.wfd = read_fd if write_fd is None else write_fd
        self.keep = keep
        self.data = b""

    def close(self):
        if self.keep is not None:
            self.keep.close()
            return
        os.close(self.rfd)
        if self.wfd != self.rfd:
            os.close(self.wfd)

    def more(self):
        if not select.select([self.rfd], [], [], TIMEOUT)[0]:
            raise TimeoutError("no answer in %g s" % TIMEOUT)
        try:
            got = os.read(self.rfd, 65536)
        except OSError:
            got = b""
        if not got:
            raise Gone()
        self.data += got

    def take(self):
        """The next payload, acknowledged."""
        while True:
            start = self.data.find(b"$")
            end = self.data.find(b"#", start + 1)
            if 0 <= start < end and len(self.data) >= end + 3:
                body = self.data[start + 1:end]
                self.data = self.data[end + 3:]
                os.write(self.wfd, b"+")
                return expand(body).decode("latin-1")
            self.more()

    def send(self, text):
        os.write(self.wfd, frame(text))

    def ask(self, text):
        self.send(text)
        return self.take()

    def run(self, text="vCont;c"):
        """Resumes; console output before the stop is dropped."""
        self.send(text)
        while True:
            reply = self.take()
            if not reply.startswith("O") or reply == "OK":
                return reply

    def monitor(self, command):
        """(text, last reply)"""
        self.send("qRcmd," + command.encode().hex())
        text = ""
        while True:
            reply = self.take()
            if not reply.startswith("O") or reply == "OK":
                return text, reply
            text += bytes.fromhex(reply[1:]).decode()


def dial(where):
    """("host", port) or a unix socket's path, tried until it is there."""
    family = (socket.AF_UNIX if isinstance(where, str) else
              socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    until = time.monotonic() + TIMEOUT
    while True:
        s = socket.socket(family)
        try:
            s.connect(where)
            return Client(s.fileno(), keep=s)
        except OSError:
            s.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
