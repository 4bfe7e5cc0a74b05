#!/usr/bin/env python3
"""Job control: what stops and continues a process, and who hears of it."""
import os
import select
import signal
import time

from rsp import (PATIENCE, Program, Session, case, check, equal, forms, main,
                 task_state, until)

STOPS = {signal.SIGSTOP: 17, signal.SIGTSTP: 18, signal.SIGTTIN: 21,
         signal.SIGTTOU: 22}        # to gdb's numbers
CONT = 19
AGAIN = "gdbserver tells of a job-control stop as of a second signal"


BOTH = "jobs", "jobs-i386"


def both(f):
    for name in forms(BOTH):
        f(name)


def stands_still(s):
    """While nothing of it is stopped by us."""
    turns = s.var("turns")
    s.start()
    s.quiet(0.05)
    equal(s.interrupt().number, 2, "^C")
    equal(s.var("turns"), turns, "turns")


def until_it_stands(s, threads):
    """It may take its time to get there. Says not that it does not run on."""
    turns = -1
    while s.var("ready") < threads or s.var("turns") != turns:
        turns = s.var("turns")
        s.start()
        s.quiet(0.1)
        s.interrupt()


def goes_on(s):
    """Without being interrupted in between, which might wake it."""
    turns = s.var("turns")
    s.start()
    s.quiet(0.5)
    s.interrupt()
    check(s.var("turns") > turns, "it stands still")


def ends(s, status):
    s.set_var("go", 1)
    end = s.finish()
    equal((end.kind, end.number), ("W", status), "end")


def stopped_by_itself(name, signo, threads):
    with Session(name, "self", str(int(signo)), str(threads)) as s:
        stop = s.cont()
        equal(stop.number, STOPS[signo], stop)
        s.start("vCont;C%02x:%s;c" % (STOPS[signo], s.name(stop.tid)))
        s.quiet(0.05)
        equal(s.interrupt().number, 2, "^C")
        stands_still(s)
        stands_still(s)
        s.start()
        os.kill(s.pid, signal.SIGCONT)
        equal(s.wait().number, CONT, "SIGCONT")
        goes_on(s)
        ends(s, 3)


@case(peer=AGAIN)
def a_program_that_stops_itself():
    for name in forms(BOTH):
        for signo in STOPS if name == "jobs" else (signal.SIGSTOP,):
            stopped_by_itself(name, signo, 0)


@case(peer=AGAIN, seconds=40)
def a_program_of_many_threads_that_stops_itself():
    for name in forms(BOTH):
        for signo in (signal.SIGSTOP, signal.SIGTSTP) if name == "jobs" else \
                (signal.SIGTSTP,):
            stopped_by_itself(name, signo, 5)


@case
def a_stop_that_the_client_keeps_back():
    """No signal, no stop."""
    with Session("jobs", "self", "19", "3") as s:
        equal(s.cont().number, 17, "stop")
        goes_on(s)
        ends(s, 3)


@case(peer=AGAIN)
def a_passed_stop_signal():
    """It stops silently, and goes on silently."""
    with Session("jobs", "self", "20", "3") as s:
        equal(s.packet("QPassSignals:12;13;14"), "OK", "QPassSignals")
        until_it_stands(s, 3)
        stands_still(s)
        os.kill(s.pid, signal.SIGCONT)
        goes_on(s)
        ends(s, 3)


@case(peer=AGAIN)
def a_step_goes_on_in_a_stopped_process():
    """The client's word counts: it executes an instruction."""
    with Session("jobs", "self", "19", "0") as s:
        stop = s.cont()
        s.start("vCont;C11:%s" % s.name(stop.tid))
        s.quiet(0.05)
        s.interrupt()
        pc = s.pc()
        stop = s.step()
        equal(stop.number, 5, stop)
        check(s.pc() != pc, "no step from", hex(pc))


@case(peer=AGAIN)
def caught_calls_of_a_process_that_is_stopped_and_continued():
    with Session("jobs", "self", "20", "0") as s:
        equal(s.packet("QPassSignals:12;13"), "OK", "QPassSignals")
        equal(s.packet("QCatchSyscalls:1;3e"), "OK", "QCatchSyscalls")
        check("syscall_entry" in s.cont().fields, "no entry of kill")
        check("syscall_return" in s.cont().fields, "no return")
        s.start()
        check(until(lambda: task_state(s.pid) in "tT" and
                    not s.quiet(0.05) and task_state(s.pid) in "tT"),
              "it runs on")
        os.kill(s.pid, signal.SIGCONT)
        check(until(lambda: task_state(s.pid) in "SR"), "it stands still")
        s.quiet(0.05)


# --- a parent that watches --------------------------------------------------

class Watched(Program):
    """The shell; child is whom it watches."""

    def __init__(self, name):
        super().__init__(name, "shell")
        self.child = int(self.line().split()[1])

    def hears(self, what, seconds=PATIENCE):
        ready = select.select([self.proc.stdout], [], [], seconds)[0]
        check(ready, "the parent hears nothing of", what)
        equal(self.line(), what, "the parent hears")

    def hears_nothing(self):
        check(not select.select([self.proc.stdout], [], [], 0.05)[0],
              "the parent hears something")


@case(peer=AGAIN)
def the_parent_hears_of_stops():
    def one(name):
        with Watched(name) as p:
            with Session(name, attach=p.child) as s:
                s.start()
                os.kill(p.child, signal.SIGTSTP)
                equal(s.wait().number, 18, "stop")
                p.hears_nothing()
                s.start("vCont;C12:%s;c" % s.name(p.child))
                p.hears("stopped 20")
                s.interrupt()
                p.hears_nothing()
                stands_still(s)
                s.start()
                os.kill(p.child, signal.SIGCONT)
                p.hears("continued 0")
                equal(s.wait().number, CONT, "SIGCONT")
                ends(s, 5)
            p.hears("ended 5")
    both(one)


@case
def the_parent_hears_nothing_of_our_stops():
    with Watched("jobs") as p:
        with Session("jobs", attach=p.child) as s:
            for _ in range(3):
                goes_on(s)
                p.hears_nothing()
            equal(s.packet("D;%x" % p.child), "OK", "D")
        p.hears_nothing()
        os.kill(p.child, signal.SIGTERM)
        p.hears("killed 15")


@case(peer=AGAIN)
def detached_while_it_is_stopped():
    """It stays stopped, until its shell continues it."""
    with Watched("jobs") as p:
        with Session("jobs", attach=p.child) as s:
            s.start()
            os.kill(p.child, signal.SIGSTOP)
            equal(s.wait().number, 17, "stop")
            s.start("vCont;C11:%s" % s.name(p.child))
            p.hears("stopped 19")
            s.interrupt()
            equal(s.packet("D;%x" % p.child), "OK", "D")
        # At PTRACE_DETACH the kernel wakes it, for it to stop anew.
        check(until(lambda: task_state(p.child) == "T"), "state",
              task_state(p.child))
        os.kill(p.child, signal.SIGCONT)
        p.hears("continued 0")
        check(until(lambda: task_state(p.child) == "S"), "it stands still")


@case(peer="gdbserver keeps SIGSTOP back")
def detached_with_a_stop_signal():
    """It stopped for the client alone: at detach it gets the signal."""
    with Watched("jobs") as p:
        with Session("jobs", attach=p.child) as s:
            s.start()
            os.kill(p.child, signal.SIGSTOP)
            equal(s.wait().number, 17, "stop")
            equal(s.packet("D;%x" % p.child), "OK", "D")
        p.hears("stopped 19")
        equal(task_state(p.child), "T", "state")


@case(peer=AGAIN)
def client_goes_while_it_is_stopped():
    """The process stays stopped: that is not the client's doing."""
    with Watched("jobs") as p:
        with Session("jobs", attach=p.child) as s:
            s.start()
            os.kill(p.child, signal.SIGSTOP)
            equal(s.wait().number, 17, "stop")
            s.start("vCont;C11:%s" % s.name(p.child))
            p.hears("stopped 19")
            s.sock.close()
            time.sleep(0.1)
            check(until(lambda: task_state(p.child) in ("T", "t")), "it runs")
            os.kill(p.child, signal.SIGCONT)
            p.hears("continued 0")
            check(until(lambda: task_state(p.child) == "S"), "stands still")


# --- what a handler is told -------------------------------------------------

def queue(pid, value):
    import ctypes
    libc = ctypes.CDLL(None)
    libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    libc.sigqueue(pid, signal.SIGUSR1, value)


def write_siginfo(s, at, data):
    text = b"qXfer:siginfo:write::%x:" % at
    for byte in data:
        text += bytes((0x7d, byte ^ 0x20)) if byte in b"#$}*" else \
            bytes((byte,))
    equal(s.packet(text), "%x" % len(data), "qXfer:siginfo:write")


@case
def written_siginfo_reaches_the_handler():
    """At once, and after the server has had time to do something else."""
    def one(name, wait):
        with Program(name, "value") as p:
            p.line()
            with Session(name, attach=p.pid) as s:
                s.start()
                queue(p.pid, 77)
                stop = s.wait()
                equal(stop.number, 30, stop)
                time.sleep(wait)
                info = s.xfer("siginfo")
                at = 24 if s.elf.word == 8 else 20
                equal(info[at:at + 4], b"\x4d\0\0\0", "si_value")
                write_siginfo(s, at, b"\x2a\0\0\0")
                time.sleep(wait)
                equal(s.xfer("siginfo")[at:at + 4], b"\x2a\0\0\0", "si_value")
                s.start("vCont;C1e:%s;c" % s.name(stop.tid))
                s.quiet(0.05)
                s.interrupt()
                check(s.var("handled") or
                      s.run_until(lambda: s.var("handled")), "not handled")
                equal(s.var("handled"), 1, "handled")
                equal(s.var("told_value"), 0x2a, "told_value")
                equal(s.var("told_pid"), os.getpid(), "told_pid")
    for name in forms(BOTH):
        for wait in 0, 0.05:
            one(name, wait)


@case
def passed_signals_keep_what_they_tell():
    with Program("jobs", "value") as p:
        p.line()
        with Session("jobs", attach=p.pid) as s:
            equal(s.packet("QPassSignals:e;1e"), "OK", "QPassSignals")
            s.start()
            queue(p.pid, 1234)
            s.quiet(0.05)
            s.interrupt()
            equal((s.var("handled"), s.var("told_value")), (1, 1234), "told")


@case
def program_signals_are_exact():
    """What is given at detach is what is in the list, and nothing else."""
    for listed, handled in ("1e", 1), ("e;1f", 0), ("", 0):
        with Program("jobs", "value") as p:
            p.line()
            with Session("jobs", attach=p.pid) as s:
                equal(s.packet("QProgramSignals:" + listed), "OK", "Q")
                s.start()
                queue(p.pid, 5)
                equal(s.wait().number, 30, "stop")
                equal(s.packet("D;%x" % p.pid), "OK", "D")
            time.sleep(0.05)
            with Session("jobs", attach=p.pid) as s:
                if handled and not s.var("handled"):
                    s.run_until(lambda: s.var("handled"))
                equal(s.var("handled"), handled, "with " + listed)


if __name__ == "__main__":
    raise SystemExit(main())
