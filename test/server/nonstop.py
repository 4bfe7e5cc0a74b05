#!/usr/bin/env python3
"""Non-stop mode: threads that run while others stand, and are left alone."""
import os
import signal
import socket
import time

from cores import Core, Room, save
from rsp import (PATIENCE, Late, Program, Session, Stop, case, check, equal,
                 frame, main, ptid, task_state, until)


class NonStop(Session):
    """Stops come as notifications. A session begins with all stopped, unless
    it attached: then all but one thread run."""

    def connect(self, features):
        super().connect(features)
        equal(self.packet("QNonStop:1"), "OK", "QNonStop")

    def stops(self, seconds=PATIENCE):
        """All that is told of: a notification and what vStopped yields."""
        end = time.monotonic() + seconds
        while not self.notes:
            left = end - time.monotonic()
            if left <= 0:
                raise Late("nothing stopped in %g s" % seconds)
            check(self.receive(left, notes=True) is None, "a packet unasked")
        text = self.notes.pop(0)
        check(text.startswith("Stop:"), "not a stop:", text)
        out = [Stop(text[5:])]
        while (text := self.packet("vStopped")) != "OK":
            out.append(Stop(text))
        check(not self.notes, "a notification amid vStopped:", self.notes)
        return out

    def stop(self, seconds=PATIENCE):
        """The one that is told of."""
        stops = self.stops(seconds)
        equal(len(stops), 1, "stops, " + str(stops))
        return stops[0]

    def all_stops(self, tids, seconds=PATIENCE):
        """Until every one of these threads has stopped: {tid: Stop}"""
        out = {}
        while not set(tids) <= set(out):
            for stop in self.stops(seconds):
                check(stop.tid not in out, "told of twice:", stop)
                out[stop.tid] = stop
        return out

    def go(self, action="vCont;c"):
        equal(self.packet(action), "OK", action)

    def run_to_there(self, where="all_there"):
        """The leader stops there, with all other threads at work."""
        self.point(0, where)
        self.go()
        stop = self.stop()
        equal(stop.tid, self.pid, "thread")
        check("swbreak" in stop.fields, "reason", stop)
        self.clear(0, where)

    def end(self, seconds=PATIENCE):
        """Of the program, by whatever is told meanwhile."""
        while True:
            for stop in self.stops(seconds):
                if stop.kind in "WX":
                    return stop


@case
def query_lists_the_stopped():
    """? begins a sequence of all stopped threads; those that run are not in
    it."""
    with NonStop("counting", "2") as s:
        equal(Stop(s.packet("?")).tid, s.pid, "at the start")
        equal(s.packet("vStopped"), "OK", "vStopped")
        s.run_to_there()
        equal(len(s.tids()), 3, "threads")
        equal(Stop(s.packet("?")).tid, s.pid, "one is stopped")
        equal(s.packet("vStopped"), "OK", "vStopped")
        s.go()
        equal(s.packet("?"), "OK", "when all run")


@case(seconds=60)
def untouched_by_breakpoints():
    """100 threads run; 100 breakpoints are set and removed, memory is read
    and written: none of the threads is stopped for it, as they count."""
    with NonStop("counting", "100") as s:
        s.run_to_there()
        where = s.addr("unused")
        code = s.read(where, 808)
        for i in range(100):
            s.point(0, where + 8 * i)
        equal(s.read(where, 808), code, "memory")
        for i in range(100):
            s.clear(0, where + 8 * i)
        before = s.var("spins", 8)
        check(until(lambda: s.var("spins", 8) != before), "nothing runs")
        s.set_var("go", 1)
        s.go()
        equal(s.end().number, 0, "exit status")
        equal(s.printed().strip(), "stops 0", "what the threads counted")


@case
def watchpoints_reach_running_threads():
    """Debug registers can be set in stopped threads only; it works, and the
    threads run on. They see that they were stopped: the count counts."""
    with NonStop("counting", "4") as s:
        s.run_to_there()
        s.point(2, "spins", 8)
        tids = set(s.tids()) - {s.pid}
        # Who has met it waits: one that is yet to be told would do so for ever.
        for stop in s.all_stops(tids).values():
            check("watch" in stop.fields, "reason", stop)
        s.clear(2, "spins", 8)
        s.set_var("go", 1)
        s.go()
        equal(s.end().number, 0, "exit status")
        count = int(s.printed().split()[1])
        check(count >= 4, "they counted", count)


@case(peer="it has four")
def breakpoints_without_a_register_reach_running_threads():
    with NonStop("counting", "4") as s:
        s.run_to_there()
        tids = set(s.tids()) - {s.pid}
        s.go("vCont;t:" + s.name(min(tids)))
        s.select(s.stop().tid)
        where = s.pc()
        s.go("vCont;c:" + s.name(min(tids)))
        for i in range(4):
            s.point(1, s.addr("unused") + i)
        s.point(1, where)
        hit = s.all_stops(tids)
        for tid, stop in hit.items():
            check("hwbreak" in stop.fields, "reason", stop)
            s.select(tid)
            equal(s.pc(), where, "pc")
        s.clear(1, where)
        s.set_var("go", 1)
        s.go()
        equal(s.end().number, 0, "exit status")


@case
def stop_one_stop_all():
    """vCont;t: of a thread, of all; what is stopped is not told of again."""
    with NonStop("counting", "5") as s:
        s.run_to_there()
        tids = sorted(set(s.tids()) - {s.pid})
        s.go("vCont;t:" + s.name(tids[2]))
        stop = s.stop()
        equal((stop.tid, stop.number), (tids[2], 0), "stop")
        s.select(tids[2])
        check(s.pc(), "registers")
        s.select(tids[1])
        check(s.packet("g")[:1] == "E", "registers of a running thread")
        s.go("vCont;t:p%x.-1" % s.pid)
        stops = s.all_stops(set(tids) - {tids[2]})
        equal({stop.number for stop in stops.values()}, {0}, "signals")
        equal(set(stops), set(tids) - {tids[2]}, "threads")
        s.go("vCont;t")
        s.quiet(0.2)
        check(not s.notes, "told of again:", s.notes)
        check(until(lambda: {task_state(s.pid, t) for t in tids} == {"t"}),
              "not stopped")
        s.set_var("go", 1)
        s.go()
        equal(s.end().number, 0, "exit status")


@case
def ctrl_c():
    """vCtrlC and ^C: one thread stops, with SIGINT."""
    with NonStop("counting", "3") as s:
        s.run_to_there()
        s.go()
        equal(s.packet("vCtrlC"), "OK", "vCtrlC")
        equal(s.stop().number, 2, "signal")
        time.sleep(0.05)
        s.sock.sendall(b"\x03")
        equal(s.stop().number, 2, "signal")
        check(not s.notes, "more than one stop:", s.notes)


@case
def step_while_others_run():
    with NonStop("counting", "3") as s:
        s.run_to_there()
        before = s.pc()
        for _ in range(20):
            s.go("vCont;s:" + s.name(s.pid))
            stop = s.stop()
            equal((stop.tid, stop.number), (s.pid, 5), "stop")
        check(s.pc() != before, "no step was made")
        spins = s.var("spins", 8)
        check(until(lambda: s.var("spins", 8) != spins), "others stand")


@case
def untold_stops_stand():
    """A thread whose stop the client has not taken is not resumed by what it
    says of all."""
    with NonStop("threads", "8", "forever") as s:
        s.point(0, "in_thread")
        s.go()
        tids = set()
        check(until(lambda: s.receive(0.01, notes=True) is None and s.notes),
              "nothing stopped")
        time.sleep(0.3)             # more of them arrive
        s.go("vCont;c:p%x.-1" % s.pid)
        stops = s.stops()
        for stop in stops[1:]:
            s.select(stop.tid)
            equal(s.pc(), s.addr("in_thread"), "pc")
        tids = {stop.tid for stop in stops}
        while len(tids) < 8:
            tids |= {stop.tid for stop in s.stops()}
        s.clear(0, "in_thread")
        s.go()
        time.sleep(0.05)
        equal(s.packet("vKill;%x" % s.pid), "OK", "vKill")


@case(peer="gdbserver 13.1 says nothing of it")
def ends_of_threads_that_stand_are_told():
    """Nobody resumes those of a program that somebody has killed."""
    with NonStop("threads", "3", "forever") as s:
        s.point(0, "in_thread")
        s.go()
        tids = set()
        while len(tids) < 3:
            tids |= {stop.tid for stop in s.stops()}
        s.go("vCont;t")
        equal(s.stop().tid, s.pid, "the leader")
        equal(s.packet("QThreadEvents:1"), "OK", "QThreadEvents")
        os.kill(s.pid, signal.SIGKILL)
        ends = s.stops()
        while ends[-1].kind == "w":
            ends += s.stops()
        equal({ptid(end.text.partition(";")[2])[1] for end in ends[:-1]}, tids,
              "threads")
        equal((ends[-1].kind, ends[-1].number), ("X", signal.SIGKILL), "end")


@case
def attached_runs_on():
    """A client that asks for non-stop mode of a program that runs finds it
    running, and so leaves it."""
    with Program("threads", "3", "forever") as p:
        equal(p.line(), "ready", "the program")
        with Session("threads", attach=p.pid, options=["--multi"]) as s:
            s.start()
            s.sock.close()
            time.sleep(0.1)
            port = s.port
            with Client(s, port) as c:
                equal(c.packet("?"), "OK", "all run")
                check(task_state(p.pid) in "RS", "it stands")
                c.go("vCont;t")
                c.all_stops(c.tids())
            check(until(lambda: task_state(p.pid) in "RS"), "left standing")


class Client(NonStop):
    """The next one of a server that is there."""

    def __init__(self, session, port):
        self.__dict__.update(session.__dict__)
        self.rx, self.acks, self.notes = b"", True, []
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.packet("qSupported:multiprocess+;swbreak+")
        equal(self.packet("QNonStop:1"), "OK", "QNonStop")

    def close(self):
        self.sock.close()


@case(peer="gdbserver catches from a thread's next resume on")
def calls_are_caught_in_threads_that_run():
    with Program("catching", "loop") as p:
        p.line()
        with NonStop("catching", attach=p.pid) as s:
            s.packet("?")
            while s.packet("vStopped") != "OK":
                pass
            s.go()
            equal(s.packet("QCatchSyscalls:1;6e"), "OK", "QCatchSyscalls")
            kinds = []
            for _ in range(6):
                fields = s.stop().fields
                kinds += [k for k in fields if k.startswith("syscall_")]
                s.go()
            at = kinds.index("syscall_entry")
            equal(kinds[at:at + 4], ["syscall_entry", "syscall_return"] * 2,
                  "stops")
            equal(s.packet("QCatchSyscalls:0"), "OK", "QCatchSyscalls")


@case(peer="gdbserver 13.1 has no QThreadOptions")
def a_clone_waits_for_its_resume():
    """Until its parent's stop is known no wildcard is meant for it."""
    with NonStop("catching", "threads", "2") as s:
        equal(s.packet("QThreadOptions;1"), "OK", "QThreadOptions")
        made = []
        for _ in range(2):
            s.go("vCont;c:" + s.name(s.pid))
            stop = s.stop()
            check("clone" in stop.fields, "no clone:", stop)
            made.append(ptid(stop.fields["clone"])[1])
        for tid in made:
            equal(task_state(s.pid, tid), "t", "state")
        s.go()
        equal(s.end().number, 0, "exit status")


@case(peer="gdbserver writes no cores")
def core_of_running_threads():
    """They are stopped for it, nobody is told, and they run on."""
    with Room(), NonStop("counting", "4") as s:
        s.run_to_there()
        equal(save(s, "core")[1], "OK", "monitor gcore")
        core = Core("core")
        equal(len(core.note("PRSTATUS")), 5, "threads")
        core.close()
        before = s.var("spins", 8)
        check(until(lambda: s.var("spins", 8) != before), "they stand still")
        s.quiet(0.05)
        equal(s.notes, [], "notifications")


@case(peer="gdbserver stops all when it was asked ? before QNonStop")
def attached_with_one_thread_stopped():
    """As a client finds it that comes to --attach."""
    with Program("threads", "3", "forever") as p:
        equal(p.line(), "ready", "the program")
        with NonStop("threads", attach=p.pid) as s:
            stop = Stop(s.packet("?"))
            first = stop.tid
            equal(s.packet("vStopped"), "OK", "more than one")
            check(until(lambda: all(task_state(p.pid, t) in "SR" for t in
                                    s.tids() if t != first)), "others stand")
            equal(task_state(p.pid, first), "t", "state of the one")


@case(peer="it does not translate", seconds=60)
def stopped_amid_signals():
    """A stop that is asked for outlasts those that nobody is told of: to a
    translated program, a signal that is passed makes three."""
    with NonStop("signalling", "storm", options=["--follow"]) as s:
        equal(s.packet("QPassSignals:e"), "OK", "QPassSignals")
        for _ in range(200):
            s.set_var("done", 1 << 31)  # so many calls are left
            s.go()
            time.sleep(0.001)
            s.go("vCont;t")
            stop = s.stop()
            equal((stop.kind, stop.number), ("T", 0), "what it stops for")


@case(peer="it does not translate", seconds=60)
def stopped_amid_a_detach():
    """... and the halt of all in which another process's translation ends."""
    with NonStop("signalling", "loop") as s:
        equal(s.packet("!"), "OK", "!")
        for _ in range(30):
            with Program("signalling", "loop") as p:
                p.line()
                equal(s.packet("vAttach;%x" % p.pid), "OK", "vAttach")
                s.go("vCont;t:p%x.-1" % p.pid)
                s.stop()
                equal(s.packet("qTrace:follow:p%x.-1" % p.pid), "OK",
                      "follow")
                s.go("vCont;c:p%x.-1" % s.pid)
                s.sock.sendall(frame("vCont;t:p%x.%x" % (s.pid, s.pid)) +
                               frame("D;%x" % p.pid))
                equal(s.receive(5), b"OK", "vCont;t")
                equal(s.receive(5), b"OK", "detach")
                equal(s.stop().tid, s.pid, "who stops")


@case(seconds=90)
def detached_after_its_breakpoint():
    """Threads that have met a breakpoint right before it was taken out, and
    had no processor since, run on when they are let go."""
    with Program("counting", "24") as p:
        tids = "/proc/%d/task" % p.pid
        check(until(lambda: len(os.listdir(tids)) == 25, 30), "no threads")
        for _ in range(12):
            with NonStop("counting", attach=p.pid) as s:
                s.go("vCont;t")
                s.all_stops(set(s.tids()) - {p.pid}, 30)
                s.select(max(s.tids()))
                where = s.pc()
                s.point(0, where, rest=";X3,220027")
                s.go("vCont;c")
                time.sleep(0.02)
                s.sock.sendall(frame("z0,%x,1" % where) +
                               frame("D;%x" % p.pid))
                equal(s.receive(30), b"OK", "z0")
                equal(s.receive(30), b"OK", "D")
            equal(p.proc.poll(), None, "its end")


if __name__ == "__main__":
    raise SystemExit(main())
