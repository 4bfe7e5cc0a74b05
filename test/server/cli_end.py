#!/usr/bin/env python3
"""The command line from outside: how a server ends, and what options do.

Prints "ok NAME", "skip NAME: why" or "FAIL NAME: why" for each test.
"""
import os
import re
import signal
import time

from cli_place import (ONCE, has, main, need, same, test, until_said)


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


if __name__ == "__main__":
    main()
