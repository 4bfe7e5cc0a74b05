#!/usr/bin/env python3
"""kill -9 of the server at random moments: the programs that it had attached
to live on, with nothing of its breakpoints in them.

Of each kind so many kills (--count), with ten breakpoints that are each hit
about once a second:

  condition  with false conditions, which the server tests by itself
  report     each hit is told to a client, which looks at it and continues
  stopped    told to a client that does no more
  watch      a watchpoint that is hit ten times a second beside them
  moved      hit without a pause: the conditions have moved into the program,
             where what they are evaluated by stays (an attach takes it away)
  hot        only measured: the same, but the server evaluates them (--hot)

At least 99 of 100 must survive (--least). What cannot be helped is in
target/linux-ptrace/guardian.h.
"""
import collections
import contextlib
import os
import random
import signal
import sys
import threading
import time

import steady

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import machine


def set_breakpoints(c, s, code):
    for f in s.functions:
        if c.ask("Z0,%x,1%s" % (f, code)) != "OK":
            raise AssertionError("no breakpoint")


def client_condition(c, s):
    set_breakpoints(c, s, steady.FALSE)
    c.ask("vCont;c", 60)


def client_stopped(c, s):
    set_breakpoints(c, s, "")
    c.ask("vCont;c")
    c.receive(60)


def client_watch(c, s):
    set_breakpoints(c, s, steady.FALSE)
    if c.ask("Z2,%x,8" % s.watch) != "OK":
        raise AssertionError("no watchpoint")
    while True:
        c.ask("vCont;c", 60)


def client_report(c, s):
    """As gdb: looks around, steps off the breakpoint, continues."""
    set_breakpoints(c, s, "")
    while True:
        stop = c.ask("vCont;c", 60)
        at = [f for f in s.functions
              if "10:" + f.to_bytes(8, "little").hex() in stop]
        if not at:
            raise AssertionError("no breakpoint's stop: " + stop)
        time.sleep(0.001)
        c.ask("g")
        for f in at:
            c.ask("z0,%x,1" % f)
        time.sleep(0.0003)
        c.ask("vCont;s:%s" % stop.split("thread:")[1].split(";")[0])
        for f in at:
            c.ask("Z0,%x,1" % f)


KINDS = {"condition": (client_condition, 100000),
         "report": (client_report, 100000),
         "stopped": (client_stopped, 100000),
         "watch": (client_watch, 100000),
         "moved": (client_condition, 0),
         "hot": (client_condition, 0, "--conditions=server")}
# The program is followed then.
BY_CODE = {"moved"} if machine.debug_registers() else {"moved", "watch"}


def converse(c, s, client, errors):
    try:
        c.begin()
        client(c, s)
    except (steady.Gone, steady.Late, OSError, ValueError):
        pass
    except AssertionError as e:
        errors.append(str(e))


def guardian_faults(pid, server):
    """What is wrong with a guardian while it waits."""
    # its name is the last thing that it sets
    steady.wait_until(lambda: steady.status(pid, "Name") == "tracestub-guard")
    if os.listdir("/proc/%d/fd" % pid):
        yield "it holds descriptors"
    if os.getsid(pid) != pid:
        yield "it is in the server's session"
    if os.readlink("/proc/%d/cwd" % pid) != "/":
        yield "it holds a directory"
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, sig)
    time.sleep(0.05)
    if not steady.alive(pid):
        yield "a signal ends it"
    server.process.send_signal(signal.SIGTERM)
    server.process.wait()
    if steady.alive(pid):
        yield "it outlives an orderly end"


def check_guardian(opt):
    s = steady.Steady(opt.inferiors)
    server = steady.Server(opt.server, "--attach", "COMM", str(s.pid))
    with contextlib.closing(server.connect()) as c:
        c.begin()
        pids = steady.children(server.pid)
        why = "" if len(pids) == 1 else "guardians: %s" % pids
        for pid in pids:
            why += "; ".join(guardian_faults(pid, server))
    server.close()
    s.close()
    return why


def may_be_urgent():
    """Real-time scheduling is allowed here."""
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def is_urgent(server):
    return os.sched_getscheduler(server.pid) & 0xff == os.SCHED_FIFO


def check_urgent(opt):
    """A server that a breakpoint's stop may wake has a CPU first, if that is
    allowed; any other, and one that is awake, has not."""
    if not may_be_urgent():
        return ""
    s = steady.Steady(opt.inferiors, 10 ** 7)
    server = steady.Server(opt.server, "--attach", "COMM", str(s.pid))
    why = ""
    with contextlib.closing(server.connect()) as c:
        c.begin()
        c.send("vCont;c")
        time.sleep(0.1)
        if is_urgent(server):
            why = "it is urgent with no breakpoint"
        c.raw(b"\x03")
        c.receive()
        set_breakpoints(c, s, steady.FALSE)
        c.send("vCont;c")
        if not steady.wait_until(lambda: is_urgent(server)):
            why = "it is as any while it waits"
        c.raw(b"\x03")
        c.receive()
        if not steady.wait_until(lambda: not is_urgent(server)):
            why = "it is urgent with all stopped"
    server.close()
    s.close()
    return why


def guardians(server):
    """Those that are ready: their name is the last thing that they set."""
    return [pid for pid in steady.children(server.pid)
            if steady.status(pid, "Name") == "tracestub-guard"]


def one_kill(opt, s, kind, after):
    """What is wrong afterwards, or None."""
    client, _, *options = KINDS[kind]
    server = steady.Server(opt.server, *options, "--attach", "COMM", str(s.pid))
    errors = []
    with contextlib.closing(server.connect()) as c:
        t = threading.Thread(target=converse, args=(c, s, client, errors))
        t.start()
        time.sleep(after)
        guardian = steady.wait_until(lambda: guardians(server)) or []
        if len(guardian) != 1 or errors:
            errors.append("guardians: %s" % guardian)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        t.join()
    server.close()
    trouble = s.trouble(may_have_cache=kind in BY_CODE)
    if not steady.wait_until(lambda: not any(map(steady.alive, guardian))):
        errors.append("the guardian stays")
    return trouble, errors


def kill_often(opt, kind, count):
    interval = KINDS[kind][1]
    rng = random.Random(opt.seed)
    lost, errors, s = [], [], None
    for _ in range(count):
        if s is None:
            s = steady.Steady(opt.inferiors, interval)
        # long enough to be attached and set up, and for conditions to have
        # moved, where stops are dear; then any moment
        begin = 0.6 if kind in BY_CODE else 0.12
        why, bad = one_kill(opt, s, kind, begin + rng.random() * 0.3)
        errors += bad
        if why:
            lost.append(why)
            s.close()
            s = None
    if s:
        s.close()
    share = 100 * (count - len(lost)) / count
    print("     %s: %d kills, %.1f %% survive%s" % (
        kind, count, share, "".join("; %d %s" % (n, why) for why, n in
                                    collections.Counter(lost).items())),
          flush=True)
    return share, errors


def main():
    ap = steady.arguments(__doc__.splitlines()[0])
    ap.add_argument("--count", type=int, default=10)
    ap.add_argument("--hot", type=int, default=0, metavar="N")
    ap.add_argument("--least", type=float, default=99.0)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--kind", action="append", choices=list(KINDS))
    opt = ap.parse_args()
    steady.prepare(opt)
    cases = steady.Cases()
    cases.check("guardian", check_guardian(opt))
    cases.check("urgent", check_urgent(opt))
    for kind in opt.kind or [k for k in KINDS if k != "hot"]:
        share, errors = kill_often(opt, kind, opt.count)
        # of few kills one may go wrong
        allowed = min(opt.least, 100 - 100 / opt.count)
        why = "; ".join(sorted(set(errors)))
        if share < allowed and kind != "hot":
            why += " only %.1f %% survive" % share
        cases.check("kill-" + kind, why)
    if opt.hot:
        kill_often(opt, "hot", opt.hot)
    sys.exit(cases.exit_status())


if __name__ == "__main__":
    main()
