"""A platform of lldb's to be asked by the tests: `tracestub platform'."""
import os
import re
import signal
import subprocess
import tempfile

from cli_client import dial
from rsp import OPTIONS, PATIENCE, check, task_state, until


def hexed(text):
    return text.encode().hex()


class Platform:
    """One that listens, and a folder for it to work in."""

    def __init__(self, *options, listen="localhost:0", cwd=None,
                 program=()):
        self.tmp = tempfile.TemporaryDirectory(prefix="tracestub-test.")
        self.port_file = self.tmp.name + "/port"
        self.errors = tempfile.TemporaryFile()
        self.clients = []
        self.server = subprocess.Popen(
            [os.path.abspath(OPTIONS.server), "platform", "--listen", listen,
             "--socket-file", self.port_file, *options,
             *(["--", *program] if program else [])], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.errors,
            cwd=cwd or self.tmp.name)
        try:
            check(until(lambda: os.path.exists(self.port_file) or
                        self.server.poll() is not None, 10), "no port file")
            check(os.path.exists(self.port_file), self.said())
        except BaseException:
            self.__exit__()
            raise
        with open(self.port_file, encoding="utf-8") as f:
            self.where = f.read()

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def dial(self):
        where = self.where if "/" in self.where else \
            ("127.0.0.1", int(self.where))
        client = dial(where)
        self.clients.append(client)
        return client

    def path(self, name):
        return self.tmp.name + "/" + name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()
        self.server.send_signal(signal.SIGTERM)
        try:
            self.server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        said = self.said()
        self.errors.close()
        self.tmp.cleanup()
        check("Sanitizer" not in said and "runtime error" not in said, said)


def launch(client, rest=""):
    """(pid, port, path of the socket)"""
    reply = client.ask("qLaunchGDBServer;host:here;" + rest)
    found = re.fullmatch(r"pid:(\d+);port:(\d+);(socket_name:(\w+);)?", reply)
    check(found, "qLaunchGDBServer:", reply)
    path = bytes.fromhex(found[4]).decode() if found[4] else None
    return int(found[1]), int(found[2]), path


def gone(pid):
    return task_state(pid) in ("", "Z", "X")
