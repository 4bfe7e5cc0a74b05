#!/usr/bin/env python3
"""Tracepoints: when they are met, by whom, and that nobody hears of it."""
import os
import signal
import socket
import tempfile
import time

from moving import choose
from rsp import (FEATURES, Program, Stop, case, check, equal, main,
                 need_unfollowed, until)
from tracepoint_client import (BETTER, RDI_IS, TRUE, Traced, both, const,
                               expression)


@case(peer=BETTER)
def conditions_hold_for_steps_too():
    with Traced("calls", "8") as s:
        s.trace(1, "leaf", ["Rf"], ["Rf"], count=3, rest=":" + expression(
            RDI_IS + const(31) + "1327"))
        s.run_to("main")
        s.tstart()
        s.run_to("done")
        equal((s.hits(1, "leaf"), s.frames()), (1, 4), "hits and frames")


@both
def breakpoint_at_the_same_place():
    """Each is met once a time, however one steps off."""
    with Traced("calls", "6") as s:
        s.run_to("main")
        s.trace(1, "leaf", ["R1"])
        s.tstart()
        s.point(0, "leaf")
        for i in range(3):
            s.at("leaf", s.cont())
            equal(s.hits(1, "leaf"), i + 1, "hits")
            s.clear(0, "leaf")
            s.step()
            s.point(0, "leaf")
        s.clear(0, "leaf")
        s.run_to("done")
        equal(s.hits(1, "leaf"), 6, "hits")


@both
def breakpoint_amid_a_block():
    """... is come to by no jump, nor is what is collected there."""
    with Traced("calls", "3") as s:
        s.run_to("leaf")
        s.step()
        second = s.pc()
        s.run_to("work")
        s.trace(1, second, ["R1"])
        s.tstart()
        s.point(0, second)
        for i in range(2):
            s.at(second, s.cont())
            equal(s.hits(1, second), i + 1, "hits")
            s.clear(0, second)
            s.step()
            s.point(0, second)


@both
def false_condition_at_the_same_place():
    with Traced("calls", "6") as s:
        s.run_to("main")
        s.point(0, "leaf", rest=";X3,220027")
        s.trace(1, "leaf")
        s.tstart()
        s.run_to("done")
        equal(s.hits(1, "leaf"), 6, "hits")


@both
def steps_are_not_disturbed():
    """A client that steps all the way sees each instruction once, and each
    arrival is a hit."""
    def walk(traced):
        with Traced("calls", "3") as s:
            s.run_to("work")
            if traced:
                s.trace(1, "leaf")
                s.trace(2, s.addr("leaf") + 7)
                s.tstart()
            seen, base = [], s.addr("main")
            for _ in range(25):
                s.step()
                seen.append(s.pc() - base)
            if traced:
                equal(s.hits(1, "leaf"), 1, "hits")
            return seen
    equal(walk(True), walk(False), "the way")


@both
def range_steps_go_over_it():
    with Traced("calls", "3") as s:
        s.run_to("main")
        s.point(0, "leaf")
        s.cont()
        s.clear(0, "leaf")
        lo = s.addr("leaf")
        second = None
        s.step()
        second = s.pc()
        s.trace(1, second)
        s.trace(2, "leaf")
        s.tstart()
        s.run_to("leaf")
        s.start("vCont;r%x,%x:%s" % (lo, second + 1, s.name(s.pid)))
        s.wait()
        check(not lo <= s.pc() <= second, "stopped within the range")
        equal(s.hits(1, second), 1, "hits")


@both
def memory_shows_no_tracepoint():
    with Traced("calls", "3") as s:
        s.run_to("main")
        before = s.read(s.addr("leaf"), 16)
        s.trace(1, "leaf")
        s.tstart()
        equal(s.read(s.addr("leaf"), 16), before, "code")
        s.ok("QTStop")
        with open("/proc/%d/mem" % s.pid, "rb") as f:
            f.seek(s.addr("leaf"))
            equal(f.read(16), before, "code when it is over")


@both
def pass_count_ends_it():
    with Traced("calls", "9") as s:
        s.run_to("main")
        s.trace(3, "leaf", passes=4)
        s.tstart()
        s.run_to("done")
        running, fields = s.status()
        equal((running, fields.get("tpasscount"), fields["tframes"]),
              ("T0", "3", "4"), "status")


@case(peer=BETTER)
def what_is_not_there_is_looked_for_so_long_and_no_longer():
    """4 MB of it, in a loop that goes on for as long as it may."""
    with Traced("calls", "1") as s:
        s.run_to("main")
        # addr, len, trace; 1, if_goto 0
        s.trace(1, "leaf", [expression("2210" "24003f0000" "0c" +
                                       const(1) + "200000" "27")])
        s.tstart()
        s.run_to("done")
        check(s.packet("qTStatus").startswith("T0;terror:"), "no error")


@case(peer=BETTER)
def errors_end_it():
    with Traced("calls", "9") as s:
        s.run_to("main")
        s.trace(5, "leaf", rest=":" + expression(const(1) + const(0) + "0527"))
        s.tstart()
        s.run_to("done")
        text = s.packet("qTStatus")
        check(text.startswith("T0;terror:%s:5;" % b"divide by zero".hex()),
              text)


@both
def enabled_while_it_runs():
    with Traced("calls", "6") as s:
        s.run_to("main")
        s.trace(1, "leaf", ena="D")
        s.tstart()
        s.point(0, "work")
        for i in range(6):
            s.at("work", s.cont())
            s.clear(0, "work")
            s.step()
            s.point(0, "work")
            s.ok("QT%s:1:%x" % ("Enable" if i % 2 else "Disable",
                                s.addr("leaf")))
        s.clear(0, "work")
        s.run_to("done")
        equal(s.hits(1, "leaf"), 3, "hits")


@both
def defined_while_it_runs():
    with Traced("calls", "6") as s:
        s.run_to("main")
        s.trace(1, "work")
        s.tstart()
        s.run_to("work")
        s.trace(2, "leaf")
        s.run_to("done")
        equal((s.hits(1, "work"), s.hits(2, "leaf")), (6, 6), "hits")


@both
def many_threads():
    with Traced("threads", "16") as s:
        s.run_to("main")
        s.trace(1, "in_thread", ["R" + "f" * 6])
        s.trace(2, "in_thread", steps=["R1"], count=2)
        s.tstart()
        s.run_to("all_there")
        equal((s.hits(1, "in_thread"), s.hits(2, "in_thread")), (16, 16),
              "hits")
        s.ok("QTStop")
        given = []
        while s.frame("tdp:1"):
            given.append(s.reg("rdi"))
        equal(sorted(given), list(range(1, 17)), "arguments")
        s.packet("QTFrame:-1")
        equal(s.finish().text[:3], "W00", "end")


def followed(s):
    """How many threads are, and how many are not."""
    said = s.packet("qTrace:threads")
    return said.count(",followed,"), said.count(",not-followed")


def fast_run(s, where, **more):
    Traced.fast = ":F5"
    try:
        s.trace(1, where, **more)
    finally:
        Traced.fast = ""
    s.tstart()


@case(peer="it does not translate")
def who_is_followed_for_a_run_is_so_no_longer():
    """... but those that were before, those that a client wanted meanwhile,
    and those that they make."""
    need_unfollowed()
    with Traced("threads", "3") as s:
        s.run_to("all_there")
        one, two = s.tids()[1:3]
        equal(s.packet("qTrace:follow:%x" % one), "OK", "follow")
        fast_run(s, "main")
        equal(followed(s), (4, 0), "in the run")
        equal(s.packet("qTrace:follow:%x" % two), "OK", "follow")
        s.ok("QTStop")
        equal(followed(s), (2, 2), "after it")
        fast_run(s, "main")
        s.ok("QTStop")
        equal(followed(s), (2, 2), "after another")
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        equal(s.finish().number, 0, "end")
    with Traced("threads", "8") as s:
        s.run_to("main")
        fast_run(s, "in_thread")
        s.run_to("all_there")
        equal((s.hits(1, "in_thread"), followed(s)), (8, (9, 0)), "in it")
        s.ok("QTStop")
        equal(followed(s), (0, 9), "threads that were made in it")


@case(peer="it does not translate")
def who_runs_when_a_run_ends_is_followed_no_longer():
    need_unfollowed()
    with Traced("threads", "16") as s:
        s.ok("QTBuffer:size:1000")
        s.run_to("main")
        fast_run(s, "in_thread", actions=["R" + "f" * 6])
        s.run_to("all_there")
        equal(s.status()[1].get("tfull"), "0", "full")
        equal(followed(s), (0, 17), "after it")
        equal(s.finish().number, 0, "end")
    with Traced("threads", "3", "forever") as s:
        s.run_to("all_there")
        s.clear(0, "all_there")
        fast_run(s, "in_thread")
        s.ok("QNonStop:1")
        s.ok("vCont;c")
        equal(followed(s), (4, 0), "in the run")
        s.ok("QTStop")
        equal(followed(s), (0, 4), "after it")


@case(peer="it does not translate")
def who_is_followed_for_more_than_a_run_stays_so():
    """The history of branches, that begins before or in it."""
    need_unfollowed()
    for before in True, False:
        with Traced("threads", "3") as s:
            s.run_to("all_there")
            if before:
                s.ok("Qbtrace:bts")
            fast_run(s, "main")
            if not before:
                s.ok("Qbtrace:bts")
            s.ok("QTStop")
            check(followed(s)[0], "after the run")
            s.ok("Qbtrace:off")
            equal(followed(s), (0, 4), "after both")
            s.ok("Qbtrace:bts")
            fast_run(s, "main")
            s.ok("Qbtrace:off")
            check(followed(s)[0], "in the run")
            s.ok("QTStop")
            equal(followed(s), (0, 4), "after both")


@case(peer="it does not translate")
def a_history_that_begins_or_ends_loses_no_hit():
    for packets in ["Qbtrace:bts"], ["Qbtrace:bts", "Qbtrace:off"]:
        with Traced("calls", "9") as s:
            s.run_to("main")
            fast_run(s, "leaf")
            for packet in packets:
                for _ in range(2):
                    s.run_to("work")
                s.ok(packet)
            s.run_to("done")
            equal(s.hits(1, "leaf"), 9, "hits after " + packet)


@case
def next_client_learns_of_it():
    with Traced("calls", "3") as s:
        s.run_to("main")
        where = "%x" % s.addr("leaf")
        s.trace(7, "leaf", ["Rf", "M-1,10,4"], ["R1"], count=2, passes=9,
                rest=":" + TRUE)
        s.ok("QTDPsrc:7:%s:at:0:4:%s" % (where, b"leaf".hex()))
        reply, pieces = s.packet("qTfP"), []
        while reply != "l":
            pieces.append(reply)
            reply = s.packet("qTsP")
        equal(pieces, ["T7:%s:E:2:9:%s" % (where, TRUE), "A7:%s:Rf" % where,
                       "A7:%s:M-1,10,4" % where, "S7:%s:R1" % where,
                       "Z7:%s:at:0:4:%s" % (where, b"leaf".hex())], "pieces")


@both
def forked_children_live():
    with Traced("forking", "fork", "3") as s:
        s.run_to("main")
        s.trace(1, "meet")
        s.tstart()
        stop = s.finish()
        equal((stop.kind, stop.number), ("W", 0), "end")


@both
def detach_takes_it_out():
    with Program("signalling", "loop") as p:
        with Traced(attach=p.pid, path=p.path) as s:
            code = s.read(s.addr("main"), 64)
            for i in range(16):
                s.trace(i + 1, s.addr("main") + i)
            s.tstart()
            equal(s.packet("D;%x" % p.pid), "OK", "D")
            with open("/proc/%d/mem" % p.pid, "rb") as f:
                f.seek(s.addr("main"))
                equal(f.read(64), code, "code")
        os.kill(p.pid, signal.SIGKILL)


def again(s):
    """Another client comes."""
    s.sock.close()
    s.rx, s.acks = b"", True
    s.sock = socket.create_connection(("127.0.0.1", s.port))
    s.packet("qSupported:multiprocess+;swbreak+;xmlRegisters=i386")
    equal(s.packet("QStartNoAckMode"), "OK", "QStartNoAckMode")
    s.acks = False
    s.packet("?")


def run_until(s, what):
    """Runs for a moment, again and again."""
    def again():
        s.start()
        time.sleep(0.005)
        s.interrupt()
        return what()
    check(until(again, 15), "it does not come to that")


@both
def behind_a_call_that_is_waited_in():
    """The thread stands there, but has to make its call again first."""
    with Program("signalling", "loop") as p:
        with Traced(attach=p.pid, path=p.path) as s:
            run_until(s, lambda: s.var("done"))
            for _ in range(5):
                where = s.pc()
                s.ok("QTinit")
                s.trace(1, where, ["R1"])
                s.tstart()
                run_until(s, lambda: s.hits(1, where))


@both
def goes_on_without_a_client():
    """Detached from, it is traced on, and the next client finds it."""
    with Program("signalling", "loop") as p:
        with Traced(attach=p.pid, path=p.path) as s:
            s.trace(1, "work", ["R1"])
            s.ok("QTDisconnected:1")
            s.point(0, "work")
            s.tstart()
            equal(s.packet("D;%x" % p.pid), "OK", "D")
            again(s)
            first = s.hits(1, "work")
            run_until(s, lambda: s.hits(1, "work") > first)
            equal(s.status()[0], "T1", "running")


@both
def ends_with_the_client():
    with Program("signalling", "loop") as p:
        with Traced(attach=p.pid, path=p.path) as s:
            s.trace(1, "main")
            s.ok("QTDisconnected:0")
            s.tstart()
            again(s)
            text = s.packet("qTStatus")
            check(text.startswith("T0;tdisconnected:0;"), text)


@both
def non_stop():
    """Nothing is told but the end of what the client asked for."""
    with Traced("calls", "5") as s:
        s.run_to("main")
        s.trace(1, "leaf", ["R" + "f" * 6], ["R1"], count=2)
        s.tstart()
        s.point(0, "done")
        s.ok("QNonStop:1")
        s.ok("vCont;c")
        check(s.receive(10, notes=True) is None, "a packet unasked")
        equal(len(s.notes), 1, "notes")
        equal(Stop(s.notes[0][5:]).tid, s.pid, s.notes[0])
        equal(s.packet("vStopped"), "OK", "vStopped")
        equal(hex(s.pc()), hex(s.addr("done")), "pc")
        equal((s.hits(1, "leaf"), s.frames()), (5, 15), "hits and frames")


@case
def actions_that_do_not_come():
    """gdb says that there are some, and then finds that there are none."""
    with Traced("calls", "3") as s:
        s.run_to("main")
        where = "%x" % s.addr("leaf")
        s.ok("QTDP:4:%s:E:0:0-" % where)
        s.ok("QTDPsrc:4:%s:at:0:4:%s" % (where, b"leaf".hex()))
        s.ok("QTDP:5:%s:E:0:0-" % where)
        s.tstart()
        s.run_to("done")
        equal((s.hits(4, "leaf"), s.hits(5, "leaf")), (3, 3), "hits")


@case(peer=False)
def malformed():
    with Traced("calls", "3") as s:
        where = s.addr("leaf")
        for text in ("QTDP:", "QTDP:1", "QTDP:1:%x" % where,
                     "QTDP:1:%x:Q:0:0" % where,
                     "QTDP:1:%x:E:0:0:X5,22" % where,
                     "QTDP:1:%x:E:0:0:X1,ff" % where,
                     "QTDP:-1:%x:R1" % where, "QTDPsrc:1:%x:at:0:1:61" % where,
                     "QTDV:1", "QTEnable:1:%x" % where, "qTP:1:%x" % where,
                     "QTFrame:", "QTFrame:pc:", "QTBuffer:size:0",
                     "QTBuffer:circular:2", "QTro:1", "QTSave:zz",
                     "qTV:100000001", "qTP:100000001:%x" % where,
                     "qTBuffer:1", "qXfer:traceframe-info:read::0,10"):
            check(s.packet(text)[:1] == "E", text)
        equal(s.packet("qTStatus")[:12], "T0;tnotrun:0", "status")
        s.ok("QTDP:1:%x:E:0:0-" % where)
        check(s.packet("QTDP:-1:%x:M1" % where)[:1] == "E", "an action")
        check(s.packet("QTDP:-1:%x:R1" % where)[:1] == "E", "after it")
        s.ok("QTDP:1:%x:E:0:0-" % where)
        check(s.packet("QTDP:-1:%x:R\0" % where)[:1] == "E", "no mask")
        equal(s.packet("qTfP"), "l", "nothing was defined")
        with tempfile.TemporaryDirectory() as tmp:
            os.mkfifo(tmp + "/fifo")
            check(s.packet("QTSave:" + (tmp + "/fifo").encode().hex())[:1] ==
                  "E", "nobody reads it")


@case(peer=BETTER)
def what_collects_in_the_next_program_stays():
    """The run's tracepoints have gone with the last one."""
    Traced.fast = ":F5"
    try:
        with Traced("exec", "self", options=["--follow"],
                    features=FEATURES + ";exec-events+") as s:
            s.trace(1, "before")
            s.run_to("main")
            s.tstart()
            check("exec" in s.cont().fields, "exec")
            s.run_to("main")
            choose(s, "compiled")
            prints = "2200220034000003780a0027"
            s.point(0, "after", 1, ";cmds:1," + expression(prints))
            equal(s.step().number, 5, "now it collects")
            s.ok("QTStop")
            equal(s.finish().number, 0, "end")
            equal(sorted(s.printed().splitlines()), ["image two", "x"],
                  "printed")
    finally:
        Traced.fast = ""


if __name__ == "__main__":
    raise SystemExit(main())
