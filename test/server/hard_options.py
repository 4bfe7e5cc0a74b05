#!/usr/bin/env python3
"""Threads whose beginning and end a client asks for, one by one (gdb 15)."""
import os
import signal

from processes import task_state, until
from rsp import Session, case, check, equal, main, ptid

NEW = "gdbserver 13.1 has no QThreadOptions"


def options(s, text):
    equal(s.packet("QThreadOptions;" + text), "OK", "QThreadOptions")


def exited(stop):
    """The thread of a w packet."""
    check(stop.kind == "w", "no thread's end:", stop)
    return ptid(stop.text.partition(";")[2])[1]


def clone(s):
    """The leader makes another; those that it has made wait."""
    s.start("vCont;c:" + s.name(s.pid))
    stop = s.wait()
    check("clone" in stop.fields, "no clone:", stop)
    equal(stop.tid, s.pid, "whose")
    return ptid(stop.fields["clone"])[1]


@case(peer=NEW)
def a_clone_is_told_and_the_thread_waits():
    for name in "catching", "catching-static", "catching-musl":
        with Session(name, "threads", "3") as s:
            s.run_to("begin")
            options(s, "1")
            tids = [clone(s) for _ in range(3)]
            equal(sorted(s.tids()), sorted([s.pid] + tids), "threads")
            options(s, "0")
            end = s.finish()
            equal((end.kind, end.number), ("W", 0), "end")


@case(peer=NEW)
def a_clone_has_run_nothing():
    """Its pc is its parent's; it steps when it is told to, alone."""
    with Session("catching", "threads", "1") as s:
        s.run_to("begin")
        options(s, "1:p%x.%x" % (s.pid, s.pid))
        child = clone(s)
        pc = s.pc()
        s.select(child)
        equal(hex(s.pc()), hex(pc), "pc")
        stop = s.step(child)
        equal((stop.tid, stop.number), (child, 5), stop)
        check(s.pc() != pc, "no step")
        s.select(s.pid)
        equal(hex(s.pc()), hex(pc), "pc of the other")
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case(peer=NEW)
def a_new_thread_has_no_options():
    with Session("catching", "threads", "3") as s:
        s.run_to("begin")
        options(s, "3")
        tids = [clone(s) for _ in range(3)]
        end = s.finish()
        equal((end.kind, end.number, len(tids)), ("W", 0, 3), "end")


@case(peer=NEW)
def ends_of_chosen_threads_are_told():
    with Session("catching", "threads", "3") as s:
        s.run_to("begin")
        options(s, "1")
        tids = [clone(s) for _ in range(3)]
        options(s, "0;2:p%x.%x" % (s.pid, tids[1]))
        equal(exited(s.cont()), tids[1], "whose end")
        check(tids[1] not in s.tids(), "it is still listed")
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case(peer=NEW)
def the_last_option_that_fits_counts():
    with Session("catching", "threads", "2") as s:
        s.run_to("begin")
        options(s, "1")
        tids = [clone(s) for _ in range(2)]
        options(s, "2:p%x.%x;0:p%x.-1;2:p%x.%x" % (
            s.pid, tids[0], s.pid, s.pid, tids[1]))
        equal(exited(s.cont()), tids[1], "whose end")
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case(peer=NEW)
def a_leader_that_ends_first_is_told():
    for ask in "QThreadOptions;2", "QThreadEvents:1":
        with Session("threadlife", "leader", "2") as s:
            s.run_to("main")
            s.packet("QThreadOptions;0")
            equal(s.packet(ask), "OK", ask)
            stop = s.cont()
            while "create" in stop.fields:
                stop = s.cont()
            equal(exited(stop), s.pid, "whose end")
            check(s.pid not in s.tids(), "it is still listed")
            equal(len(s.tids()), 2, "threads")


@case(peer=NEW)
def malformed_options_change_nothing():
    with Session("catching", "threads", "1") as s:
        s.run_to("begin")
        for bad in ("", ";", ";4", ";1;", ";1:p1.x", ";1:", ";ff", ";-1",
                    ";1;8"):
            reply = s.packet("QThreadOptions" + bad)
            check(reply[:1] == "E", bad, "is answered", reply)
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case(peer="gdbserver 13.1 dies of it")
def thread_events_are_told_in_order():
    """Each thread that was made ends, after it was made. Some end while others
    are being stopped for one that is told of."""
    with Session("catching", "threads", "60") as s:
        s.run_to("begin")
        equal(s.packet("QThreadEvents:1"), "OK", "QThreadEvents")
        alive, seen = set(), 0
        stop = s.cont()
        while stop.kind in "Tw":
            if stop.kind == "w":
                alive.remove(exited(stop))
            else:
                check("create" in stop.fields, "no create:", stop)
                alive.add(stop.tid)
                seen += 1
            stop = s.cont()
        equal((stop.kind, stop.number), ("W", 0), "end")
        equal((seen, alive), (60, set()), "threads")


@case(peer=NEW)
def ends_of_the_killed_come_before_that_of_their_process():
    with Session("catching", "threads", "3") as s:
        s.run_to("begin")
        options(s, "1")
        tids = {clone(s) for _ in range(3)}
        options(s, "2")
        os.kill(s.pid, signal.SIGKILL)
        check(until(lambda: task_state(s.pid) in ("", "Z")), "it lives on")
        s.packet("qC")
        ended, stop = set(), s.cont()
        while stop.kind == "w":
            ended.add(exited(stop))
            stop = s.cont()
        equal((stop.kind, stop.number), ("X", signal.SIGKILL), "end")
        equal(ended, tids, "threads")


if __name__ == "__main__":
    raise SystemExit(main())
