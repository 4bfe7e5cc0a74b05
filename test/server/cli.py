#!/usr/bin/env python3
"""The command line from outside: what is said, where, and the exit status.

Prints "ok NAME", "skip NAME: why" or "FAIL NAME: why" for each test.
"""
import argparse
import ctypes
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import cli_client as rsp

OURS = 125          # exit status of the server's own failures
NOBODY = 65534
ONCE = ["--once"]
TESTS = []
SERVER = None


class Skip(Exception):
    pass


def test(fn):
    TESTS.append((fn.__name__.replace("_", "-"), fn))
    return fn


def need(condition, why):
    if not condition:
        raise Skip(why)


def same(got, wanted, what="got"):
    assert got == wanted, "%s %r, not %r" % (what, got, wanted)


def has(text, regex):
    assert re.search(regex, text), "no /%s/ in: %s" % (regex, text)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def be_nobody():
    die_with_parent()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


class Place:
    """A scratch directory, and what was started there; ended with it."""

    def __init__(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="cli-")
        self.dir = self.tmp.name
        os.chmod(self.dir, 0o755)
        self.started = []

    def end(self):
        # A traced program's end is its tracer's to see first.
        for p in reversed(self.started):
            if p.poll() is None:
                p.kill()
            p.wait(rsp.TIMEOUT)
        self.tmp.cleanup()

    def path(self, name, text=None, mode=0o644):
        path = os.path.join(self.dir, name)
        if text is not None:
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
            os.chmod(path, mode)
        return path

    def run(self, *args, env=None, **how):
        """To its end: (status, stdout, stderr)."""
        p = subprocess.run([SERVER, *args], cwd=self.dir, env=env, text=True,
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=rsp.TIMEOUT, check=False,
                           **{"preexec_fn": die_with_parent, **how})
        return p.returncode, p.stdout, p.stderr

    def spawn(self, argv, **how):
        how.setdefault("preexec_fn", die_with_parent)
        p = subprocess.Popen(argv, cwd=self.dir, **how)
        self.started.append(p)
        return p

    def serve(self, *rest, options=(), comm=":0", **how):
        """Listening: the process has .port and .said() added."""
        name = self.path("stderr-%d" % len(self.started))
        with open(name, "wb") as err:
            p = self.spawn([SERVER, *options, comm, *rest],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=err, **how)
        p.said = lambda: open(name, encoding="utf-8").read()
        until = time.monotonic() + rsp.TIMEOUT
        while "Listening on" not in p.said():
            assert p.poll() is None, "ended: " + p.said()
            assert time.monotonic() < until, "silent: " + p.said()
            time.sleep(0.01)
        port = re.search(r"^Listening on port (\d+)$", p.said(), re.M)
        p.port = int(port.group(1)) if port else 0
        return p

    def client(self, p, host="127.0.0.1"):
        return rsp.dial((host, p.port))

    def wait(self, p, status):
        same(p.wait(rsp.TIMEOUT), status, "exit status")
        return p.stdout.read().decode() if p.stdout else ""

    def sleeper(self, **how):
        return self.spawn(["sleep", "100"], **how)


def until_said(p, regex):
    end = time.monotonic() + rsp.TIMEOUT
    while not re.search(regex, p.said()):
        assert time.monotonic() < end, "no /%s/ in: %s" % (regex, p.said())
        time.sleep(0.01)


def one_line(place, regex, *args, **how):
    """Our own failure: one line that says why, and status 125."""
    status, out, err = place.run(*args, **how)
    same(status, OURS, "status")
    same(out, "", "on stdout")
    same(len(err.splitlines()), 1, "lines of %r:" % err)
    has(err, "^tracestub: .*" + regex)


# --- without a connection ---------------------------------------------------

@test
def help_text(t):
    status, out, err = t.run("--help")
    same((status, err), (0, ""))
    for word in ("usage: tracestub", "--attach", "--multi", "--once",
                 "--port-file=FILE", "unix:PATH", "target remote"):
        assert word in out, word
    for line in out.splitlines():
        assert len(line) <= 80, line


@test
def version(t):
    status, out, err = t.run("--version")
    same((status, err), (0, ""))
    has(out, r"^tracestub \d+\.\d+")


@test
def selftest(t):
    status, out, err = t.run("--selftest")
    same((status, err), (0, ""))
    has(out, r"(?m)^ptrace +ok")


@test
def packet_table(t):
    status, out, _ = t.run("--print-packets")
    same(status, 0)
    has(out, r"(?m)^\| `vCont` \|")


@test
def nothing_given(t):
    status, out, err = t.run()
    same((status, out), (OURS, ""))
    has(err, "usage:(.|\n)*Try tracestub --help")


@test
def wrong_options(t):
    one_line(t, "unknown option --bogus: see --help", "--bogus")
    one_line(t, "unknown option -x: see --help", "-x", ":0", "true")
    one_line(t, "unknown option --on: see --help", "--on", ":0", "true")
    one_line(t, "--once takes no argument", "--once=1", ":0", "true")
    one_line(t, "--port-file needs an argument", "--port-file")
    one_line(t, "no log area in 'zz': see --help", "--debug=zz", ":0", "true")
    one_line(t, "a packet in 'vCont,qNone' is not known: see --print-packets",
             "--disable-packet=vCont,qNone", ":0", "true")
    one_line(t, "--conditions=zz is not one of auto, server, compiled",
             "--conditions=zz", ":0", "true")
    one_line(t, "--wrapper .* has to end with --", "--wrapper", "env", ":0")
    one_line(t, "cannot write --debug-file /no/x: No such file",
             "--debug-file=/no/x", ":0", "true")
    one_line(t, "cannot write --port-file /no/x: No such file",
             "--port-file=/no/x", ":0", "true")


@test
def words_missing(t):
    one_line(t, "nothing to serve at :0: name a program", ":0")
    one_line(t, "--attach :0 needs a process id", "--attach", ":0")
    one_line(t, "'abc' is no process id", "--attach", ":0", "abc")
    one_line(t, "'-1' is no process id|unknown option", "--attach", ":0", "-1")
    one_line(t, "'2' is too many", "--attach", ":0", "1", "2")


@test
def wrong_comm(t):
    one_line(t, '"99999" is no port: .* 0 for a free one', ":99999", "true")
    one_line(t, '"x y" is no port', ":x y", "true")
    one_line(t, "nowhere: No such file.*:PORT", "nowhere", "true")
    one_line(t, "/dev/ttyNONE: No such file", "/dev/ttyNONE", "true")
    one_line(t, "neither a device nor a fifo",
             t.path("plain", ""), "true")
    one_line(t, "names no connection", "unix:", "true")
    one_line(t, "not an address of this machine.*Can't bind address",
             "192.0.2.1:0", "true")
    one_line(t, "cannot resolve name: nosuchhost.invalid",
             "nosuchhost.invalid:0", "true")


@test
def port_in_use(t):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        one_line(t, r"another program has the port .*Can't bind address: "
                 r"Address already in use\.$", ":%d" % port, "true")


@test
def program_cannot_start(t):
    t.path("text", "echo no\n", 0o755)
    t.path("mode", "#!/bin/sh\n", 0o644)
    t.path("interp", "#!/no/such/shell\n", 0o755)
    for more in ([], ["--no-startup-with-shell"]):
        for regex, name in (
                ("cannot start ./none: it does not exist", "./none"),
                ("cannot start no-such-program: it is in no directory of PATH",
                 "no-such-program"),
                ("cannot start /no/x: .*no directory /no", "/no/x"),
                ("cannot start /tmp: it is a directory", "/tmp"),
                (r"not executable \(Cannot exec: Permission denied\): "
                 r"chmod \+x \S+/mode", "./mode"),
                ("neither an ELF program nor a script", "./text")):
            one_line(t, regex, *more, ":0", name)
    one_line(t, "its interpreter /no/such/shell",
             "--no-startup-with-shell", ":0", "./interp")
    one_line(t, "cannot start no-such-wrapper: it is in no directory of PATH",
             "--wrapper", "no-such-wrapper", "--", ":0", "true")
    one_line(t, "was not reached: true exited with status 0",
             "--wrapper", "true", "--", ":0", "sleep", "1")


@test
def attach_refused(t):
    one_line(t, "cannot attach to process 4194304: there is no such process",
             "--attach", ":0", "4194304")
    zombie = t.spawn(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    one_line(t, "it has exited, and is a zombie", "--attach", ":0",
             str(zombie.pid))
    prog = t.sleeper()
    t.serve(str(prog.pid), options=["--attach"])
    one_line(t, r"process \d+ \(tracestub\) is tracing it already",
             "--attach", ":0", str(prog.pid))


@test
def attach_refused_to_another_user(t):
    need(os.geteuid() == 0, "needs root")
    prog = t.sleeper()
    one_line(t, r"belongs to user root \(0\), tracestub runs as nobody.*: "
             r"run tracestub as root, or: setcap", "--attach", ":0",
             str(prog.pid), preexec_fn=be_nobody)


@test
def attach_refused_to_fewer_capabilities(t):
    need(os.geteuid() == 0 and shutil.which("capsh"), "needs root and capsh")
    prog = t.sleeper()
    p = subprocess.run(["capsh", "--drop=cap_sys_ptrace,cap_sys_admin", "--",
                        "-c", "exec %s --attach :0 %d" % (SERVER, prog.pid)],
                       capture_output=True, text=True, check=False,
                       timeout=rsp.TIMEOUT)
    same(p.returncode, OURS, "status")
    has(p.stderr, r"it has capabilities that tracestub has not .*: "
        r"run tracestub as root, or: setcap")


@test
def unix_socket_in_use(t):
    path = t.path("socket")
    p = t.serve("sleep", "100", comm="unix:" + path)
    has(p.said(), "Listening on unix:" + path)
    one_line(t, "a server has it open.*Address already in use",
             "unix:" + path, "true")
    one_line(t, "no socket.*Address already in use",
             "unix:" + t.path("file", ""), "true")
    one_line(t, "No such file", "unix:/no/x", "true")


# --- kinds of connections ---------------------------------------------------

@test
def port_zero_and_port_file(t):
    name = t.path("port")
    p = t.serve("true", options=["--port-file=" + name])
    same(open(name, encoding="ascii").read(), "%d\n" % p.port)
    has(p.said(), r"Process true created; pid = \d+\n"
        r"\(loopback only; use \*:PORT for other hosts\)\n"
        r"Listening on port \d+\n")
    for host in ("127.0.0.1", "::1"):
        c = t.client(p, host)
        has(c.ask("?"), "^T05")
        c.close()


@test
def loopback_alone(t):
    p = t.serve("true")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError as e:
            raise Skip("no address but loopback") from e
        mine = s.getsockname()[0]
    with socket.socket() as s:
        s.settimeout(2)
        assert s.connect_ex((mine, p.port)), "reached by %s" % mine
    p = t.serve("true", comm="*:0")
    assert "loopback" not in p.said()
    c = rsp.dial((mine, p.port))
    has(c.ask("?"), "^T05")
    c.close()


@test
def ipv6(t):
    p = t.serve("sh", "-c", "exit 6", options=ONCE, comm="[::1]:0")
    c = t.client(p, "::1")
    same(c.run(), "W06")
    c.close()
    t.wait(p, 6)


@test
def unix_socket(t):
    path = t.path("socket")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)        # and nobody listens: stale
    p = t.serve("sh", "-c", "exit 4", options=ONCE, comm="unix:" + path)
    same(os.stat(path).st_mode & 0o777, 0o600)
    c = rsp.dial(path)
    same(c.run(), "W04")
    c.close()
    t.wait(p, 4)
    assert not os.path.exists(path), "the socket is left behind"


@test
def stdio(t):
    err = open(t.path("err"), "wb")
    p = t.spawn([SERVER, "--once", "-", "sh", "-c", "echo text; exit 2"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
    c = rsp.Client(p.stdout.fileno(), p.stdin.fileno())
    has(c.ask("?"), "^T05")
    same(c.run(), "W02")
    p.stdin.close()
    same(p.stdout.read(), b"", "after the last packet")
    same(p.wait(rsp.TIMEOUT), 2)
    has(open(t.path("err"), encoding="ascii").read(), "(?m)^text$")


@test
def serial_device(t):
    ours, theirs = pty.openpty()
    p = t.serve("sh", "-c", "exit 7", options=ONCE, comm=os.ttyname(theirs))
    until_said(p, "Remote debugging from " + os.ttyname(theirs))
    c = rsp.Client(ours)
    has(c.ask("?"), "^T05")
    same(c.run(), "W07")
    os.close(theirs)
    c.close()
    t.wait(p, 7)


# --- how it ends -------------------------------------------------------------

def once(t, status, last, *prog, packet="vCont;c", reply=None):
    p = t.serve(*prog, options=ONCE)
    c = t.client(p)
    c.ask("?")
    if last is None:
        c.send(packet)
    else:
        has(c.run(packet), last)
    c.close()
    t.wait(p, status)


@test
def once_exit_statuses(t):
    once(t, 0, "W00", "true")
    once(t, 3, "W03", "sh", "-c", "exit 3")
    once(t, 255, "Wff", "sh", "-c", "exit 255")
    once(t, 128 + signal.SIGKILL, "X09", "sh", "-c", "kill -9 $$")


@test
def once_killed_by_a_signal(t):
    p = t.serve("sh", "-c", "kill -TERM $$", options=ONCE)
    c = t.client(p)
    has(c.run(), "^T0f")
    same(c.run("vCont;C0f"), "X0f")
    c.close()
    t.wait(p, 128 + signal.SIGTERM)


@test
def once_then_detach_kill_or_exit(t):
    once(t, 0, "^OK", "sh", "-c", "exit 9", packet="D")
    once(t, 0, None, "sleep", "100", packet="k")
    once(t, 0, "^OK", "sleep", "100", packet="qRcmd,65786974")


@test
def once_with_a_client_that_goes(t):
    p = t.serve("sleep", "100", options=ONCE)
    c = t.client(p)
    c.ask("?")
    c.close()
    t.wait(p, 0)


@test
def a_probe_is_no_client(t):
    """Whoever has gone before it could be looked at was not the one."""
    p = t.serve("sh", "-c", "exit 5", options=ONCE)
    p.send_signal(signal.SIGSTOP)       # it looks when the client has gone
    os.waitid(os.P_PID, p.pid, os.WSTOPPED)
    t.client(p).close()
    p.send_signal(signal.SIGCONT)
    until_said(p, "connection refused: .*it is closed")
    c = t.client(p)
    same(c.run(), "W05")
    c.close()
    t.wait(p, 5)


@test
def no_once_serves_the_next(t):
    p = t.serve("sh", "-c", "exit 5")
    c = t.client(p)
    c.ask("?")
    c.close()
    until_said(p, "terminated connection.  tracestub waits for the next")
    c = t.client(p)
    same(c.run(), "W05")
    c.close()
    t.wait(p, 0)


@test
def ended_by_a_signal(t):
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        p = t.serve("sleep", "100")
        pid = int(re.search(r"pid = (\d+)", p.said()).group(1))
        p.send_signal(signo)
        t.wait(p, 0)
        assert not os.path.exists("/proc/%d" % pid), "the program is left"


@test
def attached_program_survives(t):
    prog = t.sleeper()
    p = t.serve(str(prog.pid), options=["--attach"])
    c = t.client(p)
    c.ask("?")
    p.terminate()
    t.wait(p, 0)
    status = open("/proc/%d/status" % prog.pid, encoding="ascii").read()
    has(status, r"State:\tS")
    has(status, r"TracerPid:\t0\n")


@test
def detached_program_is_waited_for(t):
    p = t.serve("sleep", "100")
    pid = int(re.search(r"pid = (\d+)", p.said()).group(1))
    c = t.client(p)
    same(c.ask("D"), "OK")
    c.close()
    time.sleep(0.2)
    same(p.poll(), None, "ended")
    os.kill(pid, signal.SIGTERM)
    t.wait(p, 0)


# --- options ----------------------------------------------------------------

def printed(t, *prog, options=(), **how):
    """What a program that ends with 0 prints when it is run here."""
    p = t.serve(*prog, options=[*ONCE, *options], **how)
    c = t.client(p)
    same(c.run(), "W00")
    c.close()
    return t.wait(p, 0)


@test
def wrapper(t):
    for more in ([], ["--no-startup-with-shell"]):
        same(printed(t, "sh", "-c", 'echo "$WORD"', options=[
            *more, "--wrapper", "env", "WORD=of the wrapper", "--"]),
            "of the wrapper\n")


@test
def shell_and_what_it_starts(t):
    """A shell's start-up file may start programs of its own."""
    env = {**os.environ, "SHELL": "/bin/bash", "FROM": "outside",
           "BASH_ENV": t.path("rc", "FROM=$(echo the shell)\n")}
    show = ["sh", "-c", 'echo "$FROM"']
    need(os.path.exists("/bin/bash"), "no bash")
    same(printed(t, *show, env=env), "the shell\n")
    same(printed(t, *show, env=env, options=["--no-startup-with-shell"]),
         "outside\n")


@test
def words_reach_the_program(t):
    words = ["a b", "", "it's", '"', "$HOME", "*", "-x", "--once", "\\", "\n"]
    show = ["sh", "-c", 'for w; do printf "[%s]" "$w"; done', "sh"]
    wanted = "".join("[%s]" % w for w in words)
    same(printed(t, *show, *words), wanted)
    same(printed(t, *show, *words, options=["--no-startup-with-shell"]),
         wanted)


@test
def randomization(t):
    show = ["sh", "-c", "exec grep stack /proc/self/maps"]
    same(printed(t, *show), printed(t, *show), "addresses")
    aslr = open("/proc/sys/kernel/randomize_va_space", encoding="ascii")
    need(aslr.read().strip() != "0", "the kernel does not randomize")
    on = ["--no-disable-randomization"]
    assert printed(t, *show, options=on) != printed(t, *show, options=on)


@test
def environment_from_the_client(t):
    def said(*packets):
        p = t.serve(comm=":0", options=["--multi", "--once"], env={
            **os.environ, "KEPT": "kept", "GONE": "gone"})
        c = t.client(p)
        for packet in packets:
            same(c.ask(packet), "OK", packet)
        words = ["sh", "-c", 'echo "$KEPT,$GONE,$NEW,$PWD"']
        has(c.ask("vRun;" + ";".join(w.encode().hex() for w in words)), "^T05")
        same(c.run(), "W00")
        c.close()
        return t.wait(p, 0)

    new = "QEnvironmentHexEncoded:" + b"NEW=new".hex()
    unset = "QEnvironmentUnset:" + b"GONE".hex()
    same(said(), "kept,gone,,%s\n" % t.dir)
    same(said(new, unset, "QSetWorkingDir:" + b"/".hex()), "kept,,new,/\n")
    same(said(new, unset, "QEnvironmentReset"), "kept,gone,,%s\n" % t.dir)


@test
def multi_errors_reach_the_client(t):
    p = t.serve(options=["--multi"])
    c = t.client(p)

    def run(*words):
        return c.ask("vRun;" + ";".join(w.encode().hex() for w in words))

    has(run("./none"), r"^E\.cannot start ./none: it does not exist$")
    has(run("/tmp"), r"^E\.cannot start /tmp: it is a directory$")
    same(c.ask("QSetWorkingDir:" + b"/no/such".hex()), "OK")
    has(run("true"), r"^E\.cannot start true in the directory /no/such: No su")
    same(c.ask("QSetWorkingDir:"), "OK")
    has(c.ask("vAttach;400000"), r"^E\.cannot attach to process 4194304: ther")
    has(p.said(), "(?m)^tracestub: cannot start ./none: it does not exist$")
    has(p.said(), "(?m)^Cannot exec ./none: No such file or directory.$")
    has(p.said(), "(?m)^tracestub: cannot attach to process 4194304: there ")
    has(c.ask("g"), r"^E\.no program is running$")
    has(run("true"), "^T05")
    same(c.run(), "W00")
    has(run("true"), "^T05")
    c.close()
    c = t.client(p)
    has(c.ask("?"), "^T05")
    c.close()
    p.terminate()
    t.wait(p, 0)


@test
def extended_remote_alone_starts_programs(t):
    p = t.serve("true")
    c = t.client(p)
    has(c.ask("vRun;" + b"true".hex()), r"^E\.vRun needs extended-remote mode")
    same(c.ask("!"), "OK")
    has(c.ask("vRun;" + b"true".hex()), "^T05")
    c.close()


@test
def disabled_packets(t):
    p = t.serve("true", options=[
        "--disable-packet=vCont,QPassSignals,qXfer:auxv"])
    c = t.client(p)
    features = c.ask("qSupported")
    for name in ("QPassSignals", "qXfer:auxv", "vCont"):
        assert name not in features, name
    assert "qXfer:features:read+" in features
    for packet in ("vCont?", "vCont;c", "QPassSignals:e"):
        same(c.ask(packet), "", packet)
    same(c.run("c"), "W00")
    c.close()


@test
def debug_file(t):
    name = t.path("log")
    p = t.serve("true", options=["--debug=remote", "--debug-file=" + name,
                                 "--debug-format=none"])
    c = t.client(p)
    same(c.ask("qC")[:2], "QC")
    c.close()
    until_said(p, "terminated")
    log = open(name, encoding="ascii").read()
    has(log, r"(?m)^remote: .*qC")
    assert "remote:" not in p.said()


@test
def monitor_commands(t):
    p = t.serve("true")
    c = t.client(p)
    text, last = c.monitor("help")
    same(last, "OK")
    for word in ("set debug", "exit", "version", "info"):
        assert word in text, word
    has(c.monitor("info")[0], r"process \d+ \(i386:x86-64|process \d+ \(")
    has(c.monitor("version")[0], r"^tracestub \d")
    has(c.monitor("nonsense")[0], "Unknown monitor command")
    c.close()


# --- who may connect ----------------------------------------------------------

def asked_by_nobody(where):
    """What another user's client is answered."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            be_nobody()
            os.write(write, rsp.dial(where).ask("?").encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as f:
        return f.read()


@test
def another_user_is_refused(t):
    need(os.geteuid() == 0, "needs root")
    why = r"user 65534 may not debug processes of user 0.* --any-user lifts"
    path = t.path("socket")
    p = t.serve("true")
    for host in ("127.0.0.1", "::1"):
        has(asked_by_nobody((host, p.port)), r"^E\." + why)
    has(p.said(), "tracestub: connection refused: " + why)
    c = t.client(p)
    has(c.ask("?"), "^T05")
    c.close()
    p = t.serve("true", comm="unix:" + path)
    os.chmod(path, 0o777)
    has(asked_by_nobody(path), r"^E\." + why)


@test
def a_refused_client_keeps_nobody_out(t):
    need(os.geteuid() == 0, "needs root")
    p = t.serve("sh", "-c", "exit 8", options=ONCE)
    pid = os.fork()
    if pid == 0:
        be_nobody()
        c = rsp.dial(("127.0.0.1", p.port))
        time.sleep(100)
    try:
        until_said(p, "connection refused")
        c = t.client(p)
        same(c.run(), "W08")
        c.close()
        t.wait(p, 8)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@test
def any_user_lifts_it(t):
    need(os.geteuid() == 0, "needs root")
    p = t.serve("true", options=["--any-user"])
    has(asked_by_nobody(("127.0.0.1", p.port)), "^T05")


@test
def the_owner_of_the_program_may(t):
    need(os.geteuid() == 0, "needs root")
    prog = t.sleeper(preexec_fn=be_nobody)
    time.sleep(0.1)
    p = t.serve(str(prog.pid), options=["--attach"])
    has(asked_by_nobody(("127.0.0.1", p.port)), "^T")


@test
def the_sudo_user_may(t):
    need(os.geteuid() == 0, "needs root")
    p = t.serve("true", env={**os.environ, "SUDO_UID": str(NOBODY)})
    has(asked_by_nobody(("127.0.0.1", p.port)), "^T05")


def main():
    global SERVER
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--server", default="build/rel/tracestub")
    p.add_argument("--inferiors", help="not used here")
    p.add_argument("names", nargs="*", help="default: all")
    options = p.parse_args()
    SERVER = os.path.abspath(options.server)
    failed = 0
    for name, fn in TESTS:
        if options.names and name not in options.names:
            continue
        place = Place()
        try:
            fn(place)
            print("ok", name)
        except Skip as why:
            print("skip %s: %s" % (name, why))
        except Exception as e:  # whatever it is, the others go on
            failed += 1
            print("FAIL %s: %s: %s" % (name, type(e).__name__, e))
            traceback.print_exc()
        finally:
            place.end()
        sys.stdout.flush()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
