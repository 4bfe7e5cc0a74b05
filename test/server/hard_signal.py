#!/usr/bin/env python3
"""Signals at awkward moments, stopped programs, system calls that go on."""
import os
import signal
import time

from processes import status_field, tgkill
from rsp import (FALSE, Program, Session, case, check, equal, forms, main,
                 need_unfollowed, task_state, until)

BOTH = "signalling", "signalling-i386"
CALLS = "nanosleep", "read", "poll", "futex"


def both(f):
    for name in forms(BOTH):
        try:
            f(name)
        except Exception as e:
            raise type(e)("%s: %s" % (name, e))


@case(peer="gdbserver's ^C is a signal")
def interrupt_program_that_blocks_all_signals():
    """It leads a session of its own, too."""
    with Session("signalling", "blocked") as s:
        s.start()
        check(until(lambda: s.printed() == "ready\n"), "it did not start")
        for _ in range(5):
            equal(s.interrupt().number, 2, "^C")
            s.start()
            time.sleep(0.01)
        before = s.interrupt() and s.var("done")
        check(s.run_until(lambda: s.var("done") != before), "it stands still")


def call_goes_on(name, mode, rest):
    with Session(name, mode) as s:
        s.run_to("in_call")
        if rest:
            s.point(0, "the_call", rest=rest)
        s.start()
        check(until(lambda: s.printed() == "ready\n"), "it did not start")
        for _ in range(4):
            time.sleep(0.04)
            stop = s.interrupt()
            if stop.kind == "W":  # its time was over first
                equal((mode, stop.number), (mode, 0), "end")
                return
            equal(stop.number, 2, "%s: %s" % (mode, stop))
            # What a debugger writes and puts back must not matter.
            r = "rbx" if s.elf.word == 8 else "edi"
            value = s.reg(r)
            s.set_reg(r, value ^ 5)
            s.set_reg(r, value)
            s.start()
        if mode == "read":
            s.quiet(0.1)
            s.interrupt()
            equal(s.var("got", s.elf.word), 0, "read returned")
            return
        end = s.wait()
        equal((mode, end.kind, end.number), (mode, "W", 0), "end")


@case
def interrupted_calls_go_on():
    for mode in CALLS:
        both(lambda name: call_goes_on(name, mode, None))


@case
def interrupted_calls_go_on_under_false_condition():
    for mode in CALLS:
        both(lambda name: call_goes_on(name, mode, FALSE))


@case
def passed_signals_during_calls():
    """A signal that is passed with no handler does not end the call."""
    with Session("signalling", "nanosleep") as s:
        s.run_to("in_call")
        s.start()
        check(until(lambda: s.printed() == "ready\n"), "it did not start")
        for _ in range(20):
            try:
                os.kill(s.pid, signal.SIGWINCH)
            except ProcessLookupError:          # its time was over first
                break
            time.sleep(0.01)
        equal(s.wait().number, 0, "status")


def stopped_before(signo):
    with Program("signalling", "loop") as p:
        p.line()
        os.kill(p.pid, signo)
        check(until(lambda: task_state(p.pid) == "T"), "it does not stop")
        with Session("signalling", attach=p.pid) as s:
            check(s.pc(), "no registers")
            s.run_to("work")
            s.step()
            s.start()
            s.quiet(0.05)
            equal(s.interrupt().number, 2, "^C")
            s.set_var("go", 1)
            end = s.finish()
            equal((end.kind, end.number), ("W", 3), "end")


@case(peer="gdbserver tells of the SIGSTOP once more")
def attach_to_program_stopped_by_sigstop():
    stopped_before(signal.SIGSTOP)


@case
def attach_to_program_stopped_by_sigtstp():
    stopped_before(signal.SIGTSTP)


@case
def detach_from_program_that_was_stopped():
    """After a SIGCONT at the latest it runs, by itself."""
    with Program("signalling", "loop") as p:
        p.line()
        os.kill(p.pid, signal.SIGSTOP)
        check(until(lambda: task_state(p.pid) == "T"), "it does not stop")
        with Session("signalling", attach=p.pid) as s:
            equal(s.packet("D;%x" % p.pid), "OK", "D")
        os.kill(p.pid, signal.SIGCONT)
        check(until(lambda: task_state(p.pid) == "S"), "it does not run")


@case(peer="gdbserver tells of the stop as another signal")
def job_control_under_the_debugger():
    """SIGTSTP stops it as it would without one, ^C is answered, SIGCONT
    lets it go on."""
    with Session("signalling", "loop") as s:
        s.run_to("work")
        os.kill(s.pid, signal.SIGTSTP)
        stop = s.cont()
        equal(stop.number, 18, stop)            # gdb's SIGTSTP
        s.start("vCont;C12:%s;c" % s.name(s.tid()))
        s.quiet(0.05)
        done = None
        equal(s.interrupt().number, 2, "^C")
        done = s.var("done")
        s.start()
        s.quiet(0.05)
        s.interrupt()
        equal(s.var("done"), done, "it ran while stopped")
        s.start()
        os.kill(s.pid, signal.SIGCONT)
        stop = s.wait()
        equal(stop.number, 19, stop)            # gdb's SIGCONT
        s.start()
        s.quiet(0.05)
        s.interrupt()
        check(s.var("done") > done, "it does not go on")


@case
def signals_during_step_over():
    """A false condition in a loop, a passed signal every 400 us: between two
    idle cores of a virtual machine its stop alone takes up to 240."""
    def one(name):
        with Session(name, "storm", "5000", "400") as s:
            s.run_to("storm")
            equal(s.packet("QPassSignals:e;14"), "OK", "QPassSignals")
            s.point(0, "work", rest=FALSE)
            end = s.finish()
            equal((end.kind, end.number), ("W", 6), "end")
    both(one)


@case
def reported_signals_during_step_over():
    """More turns than it makes in all that time."""
    with Session("signalling", "storm", str(1 << 30)) as s:
        s.run_to("storm")
        s.point(0, "work", rest=FALSE)
        lo, hi = s.addr("work"), s.addr("work") + s.elf.sizes["work"]
        for _ in range(200):
            stop = s.cont() if _ % 2 == 0 else s.signal(14)
            equal(stop.number, 14, stop)
            with open("/proc/%d/maps" % s.pid) as f:
                named = [line for line in f if "signalling" in line or
                         "libc" in line or "vdso" in line or "ld-" in line]
            pc = s.pc()
            check(any(int(a.split("-")[0], 16) <= pc < int(
                a.split("-")[1].split()[0], 16) for a in named),
                "pc %#x is in no code of the program" % pc)
        check(lo < hi, "work has a size")


@case
def sigtrap_sent_by_kill():
    """Reported as a signal, never eaten, and handed on when asked."""
    with Session("signalling", "loop") as s:
        s.run_to("work")
        s.start()
        os.kill(s.pid, signal.SIGTRAP)
        stop = s.wait()
        equal(stop.number, 5, stop)
        check("swbreak" not in stop.fields, stop)
        info = s.xfer("siginfo")
        equal(int.from_bytes(info[8:12], "little", signed=True), 0, "si_code")
        s.start()
        s.quiet(0.05)
        os.kill(s.pid, signal.SIGTRAP)
        equal(s.wait().number, 5, "second")
        end = s.signal(5)
        equal((end.kind, end.number), ("X", 5), "end")


@case
def step_into_handler():
    def one(name):
        with Session(name, "handler") as s:
            s.run_to("main")
            stop = s.cont()
            equal(stop.number, 30, stop)        # gdb's SIGUSR1
            s.signal(30, step=True)
            equal(hex(s.pc()), hex(s.addr("on_signal")), "pc")
            end = s.finish()
            equal((end.kind, end.number), ("W", 1), "end")
    both(one)


@case
def signal_not_delivered_unless_asked():
    with Session("signalling", "handler") as s:
        s.run_to("main")
        s.cont()
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "handled")


@case
def signal_injected_by_client():
    """At a stop that is of no signal."""
    with Session("signalling", "loop") as s:
        s.run_to("work")
        end = s.signal(15)
        equal((end.kind, end.number), ("X", 15), "end")


@case
def ends_are_told_right():
    for status in 0, 1, 77, 255:
        with Session("signalling", "exit", str(status)) as s:
            end = s.finish()
            equal((end.kind, end.number), ("W", status), "end")
    for host, number in (6, 6), (7, 10), (10, 30), (11, 11), (34, 46):
        with Session("signalling", "raise", str(host)) as s:
            stop = s.cont()
            equal(stop.number, number, "signal %d" % host)
            end = s.signal(number)
            equal((end.kind, end.number), ("X", number), "signal %d" % host)


@case
def killed_while_it_runs():
    with Session("signalling", "loop") as s:
        s.run_to("work")
        s.start()
        os.kill(s.pid, signal.SIGKILL)
        end = s.wait()
        equal((end.kind, end.number), ("X", 9), "end")


@case(peer="gdbserver has no such promise")
def launched_program_dies_with_the_server():
    with Session("signalling", "loop") as s:
        s.run_to("work")
        s.start()
        s.server.kill()
        check(until(lambda: not os.path.exists("/proc/%d" % s.pid) or
                    task_state(s.pid) in "ZX"), "it lives on")
        s.server.wait()


@case
def interrupt_is_not_given_at_detach():
    """A client that says nothing of program signals: gdbserver keeps SIGINT
    and SIGTRAP back, too."""
    with Program("signalling", "loop") as p:
        p.line()
        with Session("signalling", attach=p.pid) as s:
            s.start()
            time.sleep(0.02)
            s.interrupt()
            equal(s.packet("D;%x" % p.pid), "OK", "D")
        time.sleep(0.05)
        check(p.proc.poll() is None, "it died")


@case
def signal_is_given_at_detach():
    with Program("signalling", "loop") as p:
        p.line()
        with Session("signalling", attach=p.pid) as s:
            s.start()
            os.kill(p.pid, signal.SIGTERM)
            equal(s.wait().number, 15, "stop")
            equal(s.packet("D;%x" % p.pid), "OK", "D")
        equal(p.wait(), -15, "status")


def waiting(tid):
    """Signals that are sent to it, and that it has not taken."""
    return int(status_field(tid, "SigPnd"), 16)


@case(peer="gdbserver loses one of two")
def signals_are_given_at_detach():
    """Of three threads that stop for a signal one is told; a second one gets
    another, and all are let go at the next that is told."""
    with Program("given") as p:
        for handled in range(3, 19, 3):
            with Session("given", attach=p.pid) as s:
                check(s.run_until(lambda: s.var("there") == 4), "no threads")
                tids = s.tids()[:3]
                for tid in tids:
                    check(tgkill(p.pid, tid, signal.SIGUSR2), "no thread")
                first = s.cont()
                equal(first.number, 31, "first")
                second = [t for t in tids if t != first.tid][0]
                s.start("vCont;C1e:%s;c" % s.name(second))
                equal(s.wait().number, 31, "next")
                equal(s.packet("D;%x" % p.pid), "OK", "D")
            # What waits yet at an attach would be told, and not delivered.
            check(until(lambda: not any(map(waiting, tids))), "they wait")
            with Session("given", attach=p.pid) as s:
                s.run_until(lambda: s.var("handled") == handled, 10)
                equal(s.var("handled"), handled, "handled")


def given(s, i, *hows):
    """Thread i gets those, at one stop after the other."""
    tid = s.name(s.tids()[i])
    for how in hows:
        s.start("vCont;%s:%s;c" % (how, tid))
        equal(s.wait().number, 5, how)


@case(peer="gdbserver tells them again when they come")
def signals_given_amid_stops_of_others():
    """They come when the thread that gets them has been halted, and gone on, or
    is in the handler of the one before: nobody is told again, and handlers
    return to the program, wherever that was."""
    for passed, hows in ("", ["C1e"]), ("1e", ["C1e", "S1e", "C1c"]):
        with Session("given") as s:
            equal(s.packet("QPassSignals:" + passed), "OK", "QPassSignals")
            s.point(0, "at")
            while s.var("there") < 4:
                s.cont()
            for i in range(200):
                given(s, i * 7 % 4, hows[i % len(hows)])
            equal(s.var("strays"), 0, "strays of %d, to %#x" % (
                s.var("handled"), s.var("strayed", 8)))
            check(s.var("handled") > 10, "handled", s.var("handled"))
            s.clear(0, "at")
            s.set_var("over", 1)
            equal(s.cont().text[:3], "W00", "end")


@case(peer="it does not translate")
def signals_given_while_a_follow_begins_or_ends():
    """What waits then, and where threads are, is not mixed up."""
    need_unfollowed()
    with Session("given") as s:
        s.point(0, "at")
        while s.var("there") < 4:
            s.cont()
        for i in range(200):
            given(s, i * 7 % 4, ["C1e", "C1e", "C1c"][i % 3])
            if i % 5 in (0, 3):
                equal(s.packet("qTrace:" + ["follow", "unfollow:-1"][i % 5 // 3]),
                      "OK", "qTrace")
        equal(s.var("strays"), 0, "strays of %d, to %#x" % (
            s.var("handled"), s.var("strayed", 8)))
        s.clear(0, "at")
        s.set_var("over", 1)
        equal(s.cont().text[:3], "W00", "end")


@case(peer="gdbserver's ^C is a signal")
def no_signal_that_is_given_is_lost():
    """... by another one that is given before it has come."""
    with Session("given") as s:
        s.point(0, "at")
        while s.var("there") < 4:
            s.cont()
        for i in range(40):
            before = s.var("handled")
            given(s, i * 7 % 4, *[["C1e", "C1c"], ["S1e"]][i % 2])
            s.clear(0, "at")
            check(s.run_until(lambda: s.var("handled") > before, 10),
                  "lost, round %d" % i)
            equal(s.var("handled"), before + 1, "handled")
            s.point(0, "at")


if __name__ == "__main__":
    raise SystemExit(main())
