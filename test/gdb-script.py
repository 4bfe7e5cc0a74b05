#!/usr/bin/env python3
"""Run one gdb script against a debug server and judge what gdb printed.

usage: gdb-script.py [--server CMD] [--inferiors DIR] [--gdb GDB] [--show]
                     [--follow]
                     NAME.gdb

--follow: our server runs the program translated, and that changes nothing.

The script starts connected (see `connect'). Comments at its head say how:

  # inferior: NAME [ARG...]   a program of test/inferiors/BUILD
  # program: COMMAND          or any other; its words as a shell reads them
  # server: OPTIONS           more options of the server
  # attach: yes               the program runs first, is served by --attach;
                              one that prints "ready" is waited for
  # mode: unix|tcp|stdio      the connection (unix; tcp where the server is
                              not ours)
  # connect: extended-remote  or none: $comm is what to connect to
  # compare: gdbserver        the same with gdbserver prints the same but for
                              what NAME.differs lists
  # compare: gdbserver by debug registers
                              ... where the machine has some that trap
  # needs: COMMAND...         without these the test is skipped
  # feature: NAME             so where the server does not offer this one of
                              gdb's `show remote NAME-packet'
  # cpu: FLAG...              words of /proc/cpuinfo's flags; the same
  # exit: N                   gdb's exit status: the program's, 255 when it
                              has none (not looked at without this line)
  # follow: WHY               why it is skipped with --follow
  # ours: yes                 only our server can do this: never on another

NAME.expect, a line a pattern: regular expressions that match lines of gdb's
output in this order; "out: RE" the same for what server and program print;
"not: RE" must match no line of either; "#" comments.
NAME.differs: regular expressions for the lines of a diff between the two
outputs, each after a comment that says why.

Commands made for the scripts: try CMD (prints an error and goes on), asleep
CMD (once the program that runs is blocked), silently CMD.
exit status: 0 good, 77 skipped (the last line says why), else failed.
"""
import argparse
import difflib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine

HERE = os.path.dirname(os.path.abspath(__file__))
PRELUDE = os.path.join(HERE, "gdb-scripts", "prelude.py")
START = 20      # seconds for a server to be ready
LIMIT = 50      # and for gdb to come to the script's end


class Skip(Exception):
    pass


class Failed(Exception):
    pass


def read_head(path):
    """The `# key: value' lines at the script's head."""
    head = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                break
            m = re.match(r"# ([a-z]+): (.*)", line)
            if m:
                head[m[1]] = m[2].strip()
    return head


def reference_server():
    """gdbserver, behind a shim where the CPU's XSAVE area is too large."""
    if not shutil.which("gdbserver"):
        return None
    with open("/proc/cpuinfo") as f:
        large = re.search(r"\bamx_tile\b", f.read())
    fixed = os.path.join(HERE, "gdb-suite", "gdbserver-fixed.sh")
    return fixed if large else "gdbserver"


def is_ours(server):
    return "tracestub" in os.path.basename(shlex.split(server)[0])


def absolute(server):
    """The same command from any folder: what runs, gdb's own cores among it,
    leaves its files in the session's."""
    words = shlex.split(server)
    words[0] = os.path.abspath(shutil.which(words[0]) or words[0])
    return shlex.join(words)


def program_of(head, inferiors):
    if "inferior" in head:
        words = shlex.split(head["inferior"])
        words[0] = os.path.abspath(os.path.join(inferiors, words[0]))
        if os.path.exists(words[0] + ".skip"):
            raise Skip(open(words[0] + ".skip").read().strip())
        if not os.path.exists(words[0]):
            raise Failed("no inferior %s" % words[0])
        why = machine.why_not(words[0], inferiors)
        if why:
            raise Skip(why)
        return words
    words = shlex.split(head.get("program", ""))
    if words:
        path = shutil.which(words[0])
        if not path:
            raise Skip("no %s here" % words[0])
        words[0] = path
    return words


def check_needs(head):
    for name in head.get("needs", "").split():
        if not shutil.which(name):
            raise Skip("no %s here" % name)
    with open("/proc/cpuinfo") as f:
        flags = re.search(r"^flags\s*:(.*)", f.read(), re.M)
    flags = flags[1].split() if flags else []
    for flag in head.get("cpu", "").split():
        if flag not in flags:
            raise Skip("the CPU has no %s" % flag)


class Serving:
    """A server process, its program when it attaches, and its output."""

    def __init__(self, server, head, words, tmp):
        self.head, self.tmp, self.procs = head, tmp, []
        self.out = os.path.join(tmp, "out")
        os.mkdir(os.path.join(tmp, "scratch"))
        mode = head.get("mode", "unix")
        self.mode = "tcp" if mode == "unix" and not is_ours(server) else mode
        argv = shlex.split(server) + ["--once"]
        argv += shlex.split(head.get("server", ""))
        if head.get("follow") and is_ours(server):
            argv.append("--follow")
        if head.get("attach"):
            argv.append("--attach")
            words = [str(self.start_program(words))]
        self.comm = {"unix": "unix:" + tmp + "/sock", "tcp": "localhost:0",
                     "stdio": "-"}[self.mode]
        self.argv = argv + [self.comm] + words
        self.server = None
        try:
            self.target = ("| " + shlex.join(self.argv)
                           if self.mode == "stdio" else self.start_server())
        except Failed:
            self.end()
            raise

    def start(self, argv):
        with open(self.out, "ab") as out:
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=out, start_new_session=True,
                                 cwd=self.tmp)
        self.procs.append(p)
        return p

    def wait_for(self, what, proc):
        end = time.monotonic() + START
        while time.monotonic() < end:
            m = re.search(what, self.output(), re.M)
            if m:
                return m
            if proc.poll() is not None:
                break
            time.sleep(0.005)
        raise Failed("no %r within %d s:\n%s" % (what, START, self.output()))

    def start_program(self, words):
        p = self.start(words)
        self.wait_for("^ready", p)
        return p.pid

    def start_server(self):
        p = self.server = self.start(self.argv)
        if self.mode == "tcp":
            return "localhost:" + self.wait_for(r"Listening on port (\d+)", p)[1]
        self.wait_for("Listening", p)
        return self.tmp + "/sock"

    def output(self):
        if not os.path.exists(self.out):
            return ""
        with open(self.out, encoding="utf-8", errors="replace") as f:
            return f.read()

    def end(self):
        """Ends what runs; the server has to end by itself once the connection
        has closed: returns whether it did."""
        good = True
        for p in reversed(self.procs):
            try:
                p.wait(5 if p is self.server else 0.1)
            except subprocess.TimeoutExpired:
                good = good and p is not self.server
                p.kill()
                p.wait()
        return good


def run_gdb(gdb, script, serving, tmp):
    how = serving.head.get("connect", "remote")
    first = os.path.join(tmp, "first.gdb")
    with open(first, "w", encoding="utf-8") as f:
        f.write("source %s\n" % PRELUDE)
        f.write("set $comm = \"%s\"\n" % serving.target)
        if how != "none":
            f.write("target %s %s\n" % (how, serving.target))
        if "feature" in serving.head:
            f.write("need-feature %s\n" % serving.head["feature"])
    argv = [gdb, "-nx", "-batch", "-return-child-result", "-x", first]
    env = dict(os.environ, LC_ALL="C", SCRATCH=tmp + "/scratch")
    said = os.path.join(tmp, "gdb")
    with open(said, "wb") as f, subprocess.Popen(
            argv + ["-x", os.path.abspath(script)], stdout=f, stderr=f,
            stdin=subprocess.DEVNULL, env=env, cwd=tmp) as p:
        try:
            p.wait(LIMIT)
        except subprocess.TimeoutExpired:
            p.kill()
            f.write(b"\n-- gdb killed after %d s\n" % LIMIT)
    with open(said, encoding="utf-8", errors="replace") as f:
        return p.returncode, f.read()


def run_session(server, script, head, opt):
    """(gdb's status, gdb's output, the server's and program's output)"""
    words = program_of(head, opt.inferiors)
    with tempfile.TemporaryDirectory(prefix="tracestub-gdb.") as tmp:
        serving = Serving(server, head, words, tmp)
        try:
            status, text = run_gdb(opt.gdb, script, serving, tmp)
        finally:
            ended = serving.end()
        if not ended:
            text += "\n-- the server did not end\n"
        out = serving.output()
    return status, text, text if serving.mode == "stdio" else out


def check_expect(path, text, out):
    """Problems found, one a line."""
    left = {"": text.splitlines(), "out": out.splitlines()}
    whole, bad = left[""] + left["out"], []
    with open(path, encoding="utf-8") as f:
        patterns = [x.rstrip("\n") for x in f]
    for pattern in patterns:
        if not pattern.strip() or pattern.startswith("#"):
            continue
        m = re.match(r"(out|not): (.*)", pattern)
        where, regex = (m[1], m[2]) if m else ("", pattern)
        if where == "not":
            bad += ["forbidden: %s" % x for x in whole if re.search(regex, x)]
            continue
        lines = left[where]
        hit = next((i for i, x in enumerate(lines) if re.search(regex, x)), -1)
        if hit < 0:
            bad.append("missing: " + pattern)
        else:
            left[where] = lines[hit + 1:]
    return bad


NEUTRAL = [     # what differs between two runs of the same thing
    (r"\b(process|Process|LWP|pid|Remote target|PID) \d+(\.\d+)?", r"\1 N"),
    (r"Thread \d+\.\d+", "Thread N.N"),
    (r"localhost:\d+|/tmp/\S*/sock|/tmp/tracestub-gdb\.\w+", "COMM"),
    (r"0x0*7ff[c-f][0-9a-f]{8}\b", "0xSTACK"),
]


# lines whose number or moment is chance
CHANCE = re.compile(r"\[New Thread|\[Switching to Thread|\[Thread .* exited\]"
                    r"|Reading .* from remote target|warning: File transfers"
                    r"|Process \S+ created; pid|Listening on|stdin/stdout "
                    r"redirected|Remote debugging"
                    r"|\d+\s+\S+: No such file or directory")


def neutral(text):
    for pattern, what in NEUTRAL:
        text = re.sub(pattern, what, text)
    return [re.sub(r"\s+", " ", x).rstrip() for x in text.splitlines()
            if not CHANCE.match(x)]


def known_differences(path):
    """Patterns, each of which has a reason above it."""
    out, reason = [], False
    if os.path.exists(path):
        for line in open(path, encoding="utf-8"):
            line = line.rstrip("\n")
            if line.startswith("#"):
                reason = True
            elif not line:
                reason = False
            elif not reason:
                raise Failed("%s: no reason above %r" % (path, line))
            else:
                out.append(line)
    return out


def but_known(sign, text, known):
    """Left out before they are compared: between lines that differ, which of
    the others is a counterpart of which is anybody's guess."""
    return [x for x in neutral(text)
            if not any(re.search(k, sign + x) for k in known)]


def compare(theirs, ours, known):
    return ["differs: " + line for line in difflib.unified_diff(
                but_known("-", theirs, known), but_known("+", ours, known),
                "gdbserver", "this server", lineterm="", n=0)
            if not line.startswith(("---", "+++", "@@"))]


def is_comparable(head):
    compare = head.get("compare", "")
    if compare.endswith("by debug registers") and not machine.debug_registers():
        print("not compared: " + machine.NO_DEBUG_REGISTERS)
        return False
    return bool(compare)


def judge(script, opt):
    base = script[:-len(".gdb")]
    head = read_head(script)
    why_not = head.pop("follow", None)
    if opt.follow:
        if why_not:
            raise Skip(why_not)
        head["follow"] = "yes"
        if "i386" in head.get("inferior", ""):
            raise Skip("i386 programs are not translated")
    check_needs(head)
    if head.get("ours") and not is_ours(opt.server):
        raise Skip("made for tracestub alone")
    status, text, out = run_session(opt.server, script, head, opt)
    if "no-feature" in text:
        raise Skip("the server has no %s" % head["feature"])
    bad = check_expect(base + ".expect", text, out)
    if "exit" in head and status != int(head["exit"]):
        bad.append("gdb's exit status is %d" % status)
    for sign, what in (("-- gdb killed", "gdb did not come to an end"),
                       ("-- the server did not", "the server did not end"),
                       ("Error in sourced", "the script ended early")):
        if sign in text:
            bad.append(what)
    reference = reference_server() if is_comparable(head) else None
    if reference and absolute(reference) != opt.server:
        theirs = run_session(reference, script, head, opt)[1]
        bad += compare(theirs, text, known_differences(base + ".differs"))
    if bad or opt.show:
        print("-- gdb:\n%s\n-- server and program:\n%s" % (text, out))
    return bad


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    ap.add_argument("--server", default="build/rel/tracestub")
    ap.add_argument("--inferiors", default="build/rel/test/inferiors")
    ap.add_argument("--gdb", default="gdb")
    ap.add_argument("--show", action="store_true")
    ap.add_argument("--follow", action="store_true")
    ap.add_argument("script")
    opt = ap.parse_args()
    opt.server = absolute(opt.server)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        bad = judge(opt.script, opt)
    except Skip as e:
        print(e)
        sys.exit(77)
    except Failed as e:
        bad = [str(e)]
    print("\n".join(bad))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
