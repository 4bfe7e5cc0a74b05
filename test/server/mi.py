"""A client of gdb's machine interface (gdb manual, "GDB/MI Output Syntax"), as
an IDE has one: commands with a token, their results, records in between."""
import os
import re
import select
import signal
import subprocess
import time

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
NAME = re.compile(r"[A-Za-z_][\w-]*")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "e": "\033"}


def unquote(text):
    return re.sub(r"\\([0-7]{3}|.)", lambda m: chr(int(m[1], 8))
                  if len(m[1]) == 3 else ESCAPES.get(m[1], m[1]), text)


def parse_value(text, at):
    """(value, where it ends): a str, dict or list."""
    if text[at] == '"':
        found = STRING.match(text, at)
        return unquote(found[1]), found.end()
    close = {"{": "}", "[": "]"}[text[at]]
    items, at = [], at + 1
    while text[at] != close:
        found = NAME.match(text, at)
        name = None
        if found:
            name, at = found[0], found.end() + 1
        value, at = parse_value(text, at)
        items.append((name, value))
        if text[at] == ",":
            at += 1
    if close == "}":
        return {n or str(i): v for i, (n, v) in enumerate(items)}, at + 1
    return [v for _, v in items], at + 1


def parse_results(text):
    """",name=value,..." as a dict. gdb gives a breakpoint with several places
    as values without a name behind the first: they are left out."""
    out, at = {}, 0
    while at < len(text) and text[at] == ",":
        found = NAME.match(text, at + 1)
        if not found:
            _, at = parse_value(text, at + 1)
            continue
        out[found[0]], at = parse_value(text, found.end() + 1)
    return out


class Record:
    """kind: ^ a result, * + = what happened by itself, ~ @ & text."""

    def __init__(self, line):
        found = re.match(r"(\d*)([\^*+=])([\w-]+)(.*)$", line, re.S)
        self.line = line
        if not found:
            self.token, self.kind, self.name = "", line[:1], ""
            self.text = unquote(line[2:-1]) if line[:1] in "~@&" else line
            self.data = {}
            return
        self.token, self.kind, self.name = found[1], found[2], found[3]
        self.data = parse_results(found[4])
        self.text = ""

    def __getitem__(self, key):
        return self.data[key]

    def get(self, key, other=None):
        return self.data.get(key, other)

    def __repr__(self):
        return self.line


class MiError(Exception):
    pass


class Mi:
    """A gdb of ours."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            ["gdb", "-nx", "--interpreter=mi", *args], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        self.data = b""
        self.records = []       # those that are no results, not taken yet
        self.log = []
        self.token = 1000

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def line(self, seconds):
        end = time.monotonic() + seconds
        while b"\n" not in self.data:
            left = max(0, end - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError("gdb says nothing in %g s; so far:\n%s" % (
                    seconds, "\n".join(self.log[-40:])))
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise EOFError("gdb has gone:\n" + "\n".join(self.log[-40:]))
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        text = line.decode("utf-8", "replace").rstrip("\r")
        self.log.append(text)
        return text

    def send(self, command):
        self.token += 1
        self.log.append("-> %d%s" % (self.token, command))
        self.process.stdin.write(b"%d%s\n" % (self.token, command.encode()))
        self.process.stdin.flush()
        return str(self.token)

    def command(self, command, seconds=30):
        """Its result, or MiError of the message."""
        token = self.send(command)
        while True:
            record = Record(self.line(seconds))
            if record.kind == "^" and record.token == token:
                break
            self.records.append(record)
        if record.name == "error":
            raise MiError("%s: %s" % (command, record.get("msg")))
        return record

    def console(self, command):
        """A command of the user's, and what gdb and the target print."""
        self.records = [r for r in self.records if r.kind not in ("~", "@")]
        self.command('-interpreter-exec console "%s"' % command.replace(
            "\\", "\\\\").replace('"', '\\"'))
        return "".join(r.text for r in self.records if r.kind in ("~", "@"))

    def wait(self, kind, name, seconds=30):
        """The next record of that kind and name."""
        while True:
            for i, record in enumerate(self.records):
                if record.kind == kind and record.name == name:
                    del self.records[:i + 1]
                    return record
            self.records.append(Record(self.line(seconds)))

    def stopped(self, reason=None, seconds=30):
        record = self.wait("*", "stopped", seconds)
        if reason is not None and record.get("reason") != reason:
            raise AssertionError("stopped by %r, not %s" % (record, reason))
        return record

    def run(self, command, reason):
        """A command that resumes, and the stop after it."""
        self.records.clear()
        self.command(command)
        return self.stopped(reason)
