#!/usr/bin/env python3
"""Detach leaves nothing: text equal to the files it was mapped from, the same
mappings, no tracer, no stray signal, affinity and job-control stop as before."""
import os
import re
import signal
import sys
import time

import steady

# What of /proc/PID/status is to be as it was.
FIELDS = ("Cpus_allowed_list", "SigQ", "SigPnd", "ShdPnd", "SigBlk", "SigIgn",
          "SigCgt", "TracerPid", "Seccomp")


def stable_maps(pid):
    """The mappings, but for the ends that a program moves by itself."""
    return re.sub(r"^.*\[(heap|stack)\]\n", "", steady.maps(pid), flags=re.M)


def tasks_status(pid):
    return {(t, f): steady.status(t, f) for t in steady.threads(pid)
            for f in FIELDS if f != "SigQ"}


def begun(s):
    """Its first second is over, with its mappings: arenas, stacks. Who makes a
    thread blocks all signals meanwhile, and so does who is made."""
    def is_making(blocked):
        return int(blocked, 16) >> 40
    time.sleep(0.2)
    steady.wait_until(lambda: not any(
        is_making(value) for (_, field), value in tasks_status(s.pid).items()
        if field == "SigBlk"))
    return stable_maps(s.pid), tasks_status(s.pid)


def breakpoints(c, s, code=""):
    for f in s.functions:
        assert c.ask("Z0,%x,1%s" % (f, code)) == "OK"


def run_a_while(c, seconds=0.5):
    """Continues, then interrupts it."""
    c.send("vCont;c")
    time.sleep(seconds)
    c.raw(b"\x03")
    return c.receive()


def nothing(c, s):
    pass


def conditions(c, s):
    breakpoints(c, s, steady.FALSE)
    run_a_while(c)


def at_breakpoint(c, s):
    breakpoints(c, s)
    assert "swbreak" in c.ask("vCont;c")


def long_at_breakpoint(c, s):
    at_breakpoint(c, s)
    time.sleep(0.1)


def after_steps(c, s):
    at_breakpoint(c, s)
    for f in s.functions:
        assert c.ask("z0,%x,1" % f) == "OK"
    for _ in range(20):
        c.ask("vCont;s:p%x.%x" % (s.pid, s.pid))


def watchpoints(c, s):
    assert c.ask("Z2,%x,8" % s.watch) == "OK"
    assert "watch:" in c.ask("vCont;c")
    breakpoints(c, s, steady.FALSE)
    assert "watch:" in c.ask("vCont;c")


def range_step(c, s):
    breakpoints(c, s, steady.FALSE)
    c.send("vCont;r0,ffffffffffff:p%x.%x;c" % (s.pid, s.pid))
    time.sleep(0.3)
    c.raw(b"\x03")
    c.receive()


# name: what is done, interval, threads, what goes on beside
CASES = {
    "nothing": (nothing, 1000, 3, ""),
    "breakpoint": (at_breakpoint, 1000, 1, ""),
    "breakpoint-idle": (long_at_breakpoint, 1000, 1, ""),
    "breakpoint-threads": (at_breakpoint, 0, 4, ""),
    "conditions": (conditions, 1000, 1, ""),
    "conditions-threads": (conditions, 0, 4, ""),
    "steps": (after_steps, 1000, 2, ""),
    "range-step": (range_step, 1000, 2, ""),
    "watchpoints": (watchpoints, 1000, 2, ""),
    "forks": (conditions, 1000, 1, "fork"),
    "vforks": (conditions, 1000, 1, "vfork"),
    "signals": (conditions, 1000, 2, "signals"),
}


def session(opt, s, work, leave):
    server = steady.Server(opt.server, "--attach", "COMM", str(s.pid))
    try:
        c = server.connect()
        c.begin()
        work(c, s)
        return leave(server, c)
    finally:
        if leave is by_detach:
            steady.wait_until(lambda: server.process.poll() is not None)
        server.close()


def by_detach(server, c):
    reply = c.ask("D")
    return None if reply == "OK" else "D: " + reply


def by_sigterm(server, c):
    server.process.send_signal(signal.SIGTERM)
    if not steady.wait_until(lambda: server.process.poll() is not None):
        return "SIGTERM does not end the server"
    return None


def by_sigint(server, c):
    server.process.send_signal(signal.SIGINT)
    steady.wait_until(lambda: server.process.poll() is not None)


def compare(s, before):
    maps, tasks = before
    why = s.trouble()
    if why:
        return why
    if stable_maps(s.pid) != maps:
        return "maps differ:\n" + stable_maps(s.pid)
    for key, value in tasks_status(s.pid).items():
        if s.argv[4] == "signals" and key[1] == "ShdPnd":
            continue        # its timer's, for a moment
        if tasks.get(key) != value:
            return "%s of thread %d: %s was %s" % (
                key[1], key[0], value, tasks.get(key))
    return None


def check_case(opt, name, leave):
    work, interval, n_threads, what = CASES[name]
    s = steady.Steady(opt.inferiors, interval, n_threads, what)
    try:
        before = begun(s)
        return session(opt, s, work, leave) or compare(s, before)
    except (AssertionError, steady.Late, steady.Gone) as e:
        return "session: %r" % e
    finally:
        s.close()


def check_stopped(opt, leave):
    """A job-control stop from before attach is there after detach."""
    s = steady.Steady(opt.inferiors, 1000, 2)
    try:
        os.kill(s.pid, signal.SIGSTOP)
        steady.wait_until(lambda: steady.status(s.pid, "State")[0] == "T")
        session(opt, s, nothing, leave)
        steady.wait_until(lambda: steady.status(s.pid, "TracerPid") == "0")
        # At PTRACE_DETACH the kernel wakes each, for it to stop anew.
        for t in steady.threads(s.pid):
            if not steady.wait_until(
                    lambda: steady.status(t, "State")[0] == "T"):
                return "state " + steady.status(t, "State")
        os.kill(s.pid, signal.SIGCONT)
        return s.trouble()
    finally:
        s.close()


def without_core(stop):
    """What a thread last ran on may change: the stop is not about that."""
    return re.sub("core:[^;]*;", "", stop)


def check_idle(opt):
    """What the server does while a client is silent shows in nothing."""
    s = steady.Steady(opt.inferiors, 1000, 2)
    server = steady.Server(opt.server, "--attach", "COMM", str(s.pid))
    ask = ("g", "qXfer:siginfo:read::0,80", "m%x,10" % s.functions[1])
    try:
        c = server.connect()
        c.begin()
        breakpoints(c, s)
        for resume in ("c", "s:p%x.%x" % (s.pid, s.pid)):
            stop = c.ask("vCont;" + resume)
            first = [c.ask(a) for a in ask]
            time.sleep(0.05)
            for a, was in zip(ask, first):
                now = c.ask(a)
                if now != was:
                    return "after vCont;%s: %s was %r is %r" % (
                        resume, a, was, now)
            if without_core(c.ask("?")) != without_core(stop):
                return "after vCont;%s: ? is not %s" % (resume, stop)
            for f in s.functions:
                c.ask("z0,%x,1" % f)
        c.ask("D")
        return s.trouble()
    finally:
        server.close()
        s.close()


def main():
    opt = steady.arguments(__doc__.splitlines()[0]).parse_args()
    steady.prepare(opt)
    cases = steady.Cases()
    for name in CASES:
        cases.check("detach-" + name, check_case(opt, name, by_detach))
    for name in ("breakpoint", "conditions-threads", "watchpoints"):
        cases.check("sigterm-" + name, check_case(opt, name, by_sigterm))
    cases.check("sigint-conditions", check_case(opt, "conditions", by_sigint))
    cases.check("idle", check_idle(opt))
    cases.check("detach-stopped", check_stopped(opt, by_detach))
    cases.check("sigterm-stopped", check_stopped(opt, by_sigterm))
    sys.exit(cases.exit_status())


if __name__ == "__main__":
    main()
