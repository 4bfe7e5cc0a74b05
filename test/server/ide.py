"""What the tests of IDEs have in common: configurations out of doc/ide.md, a
server for each, places in the program."""
import json
import os
import re
import signal
import subprocess
import tempfile

from rsp import OPTIONS, PATIENCE, check, inferior, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
PROGRAM = "calls"


def blocks(kind):
    with open(ROOT + "/doc/ide.md", encoding="utf-8") as f:
        return re.findall(r"^```%s\n(.*?)^```" % kind, f.read(), re.M | re.S)


def fitted(text, port):
    """The page's text for this run: its program, its port."""
    return text.replace("${workspaceFolder}/hello", inferior(PROGRAM)) \
        .replace("$PROJECT_DIR$/hello", inferior(PROGRAM)) \
        .replace("${workspaceFolder}", os.path.dirname(inferior(PROGRAM))) \
        .replace("localhost:1234", "localhost:%d" % port) \
        .replace('"gdb-remote-port": 1234', '"gdb-remote-port": %d' % port)


def launch_json(name, port):
    """The configuration of that name in one of the page's launch.json."""
    for block in blocks("json"):
        for each in json.loads(fitted(block, port))["configurations"]:
            if each["name"] == name:
                return each
    raise AssertionError("doc/ide.md has no configuration " + name)


def line_of(text, name=PROGRAM):
    """(source, number) of the one line of a test's program with that text."""
    path = "%s/test/inferiors/%s.c" % (ROOT, name)
    with open(path, encoding="utf-8") as f:
        lines = [i for i, line in enumerate(f, 1) if text in line]
    check(len(lines) == 1, text, "is on lines", lines)
    return path, lines[0]


class Server:
    """tracestub as the page starts it; args are what follows the port."""

    def __init__(self, *args, options=()):
        self.errors = tempfile.TemporaryFile()
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [OPTIONS.server, *options, *(["--follow"] * OPTIONS.follow),
             "localhost:0", *args],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.errors)
        self.port = None
        until(self.listens)
        check(self.port, "the server says:", self.said())

    def listens(self):
        found = re.search(r"Listening on port (\d+)", self.said())
        self.port = int(found[1]) if found else None
        return found or self.process.poll() is not None

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def printed(self):
        """What the program wrote."""
        self.output.seek(0)
        return self.output.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        said = self.said()
        self.errors.close()
        self.output.close()
        check("Sanitizer" not in said and "runtime error" not in said, said)
