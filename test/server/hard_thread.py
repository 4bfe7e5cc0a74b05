#!/usr/bin/env python3
"""Threads that end, are born, or hit breakpoints at awkward moments."""
import os
import signal
import time

from rsp import (FEATURES, Program, Session, case, check, equal, main,
                 task_state, until)


@case
def zombie_leader_goes_on():
    """The leader ends, others run: ^C, list, breakpoint, the end's status."""
    with Session("threadlife", "leader", "3") as s:
        s.point(0, "tick")
        stop = s.cont()
        s.at("tick", stop)
        s.clear(0, "tick")
        s.start()
        check(until(lambda: task_state(s.pid) == "Z"), "no zombie leader")
        equal(s.interrupt().number, 2, "^C")
        check(s.pid not in s.tids(), "the leader is still listed")
        equal(len(s.tids()), 3, "threads")
        s.point(0, "tick")
        s.at("tick", s.cont())
        s.clear(0, "tick")
        s.set_var("go", 1)
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case
def zombie_leader_exit_status():
    with Session("threadlife", "leader-exit") as s:
        s.point(0, "tick")
        s.at("tick", s.cont())
        s.clear(0, "tick")
        s.start()
        check(until(lambda: task_state(s.pid) == "Z"), "no zombie leader")
        s.interrupt()
        s.set_var("go", 1)
        end = s.finish()
        equal((end.kind, end.number), ("W", 23), "end")


@case
def threads_are_made_without_a_leader():
    """None of them is a process."""
    with Session("threadlife", "leader-storm",
                 features=FEATURES + ";fork-events+") as s:
        s.start()
        check(until(lambda: task_state(s.pid) == "Z"), "no zombie leader")
        time.sleep(0.05)
        s.interrupt()
        s.point(0, "hit")
        for _ in range(5):
            stop = s.cont()
            check("fork" not in stop.fields, "a fork:", stop)
            s.at("hit", stop)


@case(peer="gdbserver cannot attach to a zombie")
def attach_to_zombie_leader():
    with Program("threadlife", "leader", "3") as p:
        p.line()
        check(until(lambda: task_state(p.pid) == "Z"), "no zombie leader")
        with Session("threadlife", attach=p.pid) as s:
            equal(len(s.tids()), 3, "threads")
            s.run_to("tick")
            s.set_var("go", 1)
            end = s.finish()
            equal((end.kind, end.number), ("W", 0), "end")


@case
def attach_in_clone_storm():
    for _ in range(3):
        with Program("threadlife", "storm") as p:
            p.line()
            with Session("threadlife", attach=p.pid) as s:
                def all_stopped():
                    return {task_state(p.pid, int(t)) for t in
                            os.listdir("/proc/%d/task" % p.pid)} <= set("tZX")
                check(until(all_stopped), "some thread runs on")
                check(len(s.tids()) >= 4, "threads", s.tids())
                s.point(0, "hit")
                for _ in range(20):
                    s.at("hit", s.cont())
                s.clear(0, "hit")
                s.start()
                time.sleep(0.05)
                s.interrupt()
                equal(s.packet("D;%x" % p.pid), "OK", "D")
            check(until(lambda: task_state(p.pid) in "RS"), "not let go")
            time.sleep(0.02)
            check(p.proc.poll() is None, "it died")


@case
def many_short_threads():
    with Session("threadlife", "many", "2000") as s:
        s.run_to("main")
        end = s.finish()
        equal((end.kind, end.number), ("W", 7), "end")


@case
def many_short_threads_hit_false_condition():
    with Session("threadlife", "many", "500") as s:
        s.run_to("main")
        s.point(0, "hit", rest=";X3,220027")
        end = s.finish()
        equal((end.kind, end.number), ("W", 7), "end")


@case
def halted_threads_show_no_trap_address():
    """A thread that met the breakpoint while it was being stopped for
    another has not executed any of it."""
    with Session("threadlife", "hit", "6") as s:
        s.point(0, "hit")
        hit = s.addr("hit")
        s.cont()
        for _ in range(150):
            for tid in s.tids():
                s.select(tid)
                check(s.pc() != hit + 1, "a pc inside the breakpoint")
            s.start("vCont;c")
            stop = s.wait()
            equal(stop.number, 5, stop)
            equal(s.pc(), hit, "pc")


@case
def halted_threads_lose_no_step():
    """Threads that are stepped, halted for another's stop and continued get
    no SIGTRAP of their own."""
    with Session("threadlife", "hit", "4") as s:
        s.point(0, "hit")
        for _ in range(4):
            s.cont()
        s.clear(0, "hit")
        for tid in s.tids() * 30:
            stop = s.packet("vCont;s")
            check(stop[:3] == "T05", "stepping all:", stop)
        s.start()
        s.quiet(0.3)
        stop = s.interrupt()
        equal(stop.number, 2, "after ^C")


@case
def group_exit_while_halting():
    for _ in range(5):
        with Session("threadlife", "group", "4") as s:
            s.run_to("hit")
            s.point(0, "hit")
            s.set_var("go", 1)
            for _ in range(1000):
                stop = s.cont()
                if stop.kind != "T":
                    break
            equal((stop.kind, stop.number), ("W", 5), "end")


@case
def killed_while_halting():
    for _ in range(5):
        with Session("threadlife", "hit", "4") as s:
            s.point(0, "hit")
            s.cont()
            os.kill(s.pid, signal.SIGKILL)
            for _ in range(1000):
                s.start()
                stop = s.wait(select=False)     # it may have gone since
                if stop.kind != "T":
                    break
            equal((stop.kind, stop.number), ("X", 9), "end")


@case
def killed_while_stopped():
    with Session("threadlife", "hit", "2") as s:
        s.run_to("hit")
        os.kill(s.pid, signal.SIGKILL)
        until(lambda: task_state(s.pid) in ("Z", ""))
        s.packet("g")       # an answer, whatever it is
        s.packet("m%x,10" % s.addr("hit"))
        s.packet("qfThreadInfo")
        end = s.finish()
        equal((end.kind, end.number), ("X", 9), "end")


@case
def interrupt_reported_once():
    """A ^C that meets another stop is told after it, and no second time."""
    with Session("threadlife", "hit", "3") as s:
        s.point(0, "hit")
        for _ in range(100):
            s.send("vCont;c")
            s.sock.sendall(b"\x03")
            stop = s.wait()
            check(stop.number in (2, 5), stop)
        s.clear(0, "hit")
        s.start()
        # A hit that was pending when the point went, and the last ^C.
        for _ in range(2):
            if s.receive(0.2):
                s.start()
        s.quiet(0.3)


if __name__ == "__main__":
    raise SystemExit(main())
