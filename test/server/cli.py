#!/usr/bin/env python3
"""The command line from outside: what is said, where, and the exit status.

Prints "ok NAME", "skip NAME: why" or "FAIL NAME: why" for each test.
"""
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time

import cli_client as rsp
from cli_place import (NOBODY, ONCE, OURS, Skip, be_nobody, has, main, need,
                       one_line, same, test, until_said)

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import machine


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
    has(out, r"(?m)^hardware watchpoints +%s" % (
        "ok" if machine.debug_registers() else "no: a write did not trigger"))


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
                        "-c", "exec %s --attach :0 %d" % (t.server, prog.pid)],
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
    p = t.spawn([t.server, "--once", "-", "sh", "-c", "echo text; exit 2"],
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


# --- who may connect --------------------------------------------------------

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


if __name__ == "__main__":
    main()
