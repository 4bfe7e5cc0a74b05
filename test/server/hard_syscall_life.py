#!/usr/bin/env python3
"""System calls that are caught in programs that are attached to and let go of,
and in what they make."""
import os
import signal
import time

from rsp import (FALSE, Program, Session, case, check, equal, inferior, main,
                 ptid, task_state, until)
from syscall_client import (EVENTS, both, number, catch, catch_none, told,
                            pair, ends_well)


# --- attaching and letting go -----------------------------------------------

@case
def caught_in_a_program_attached_to():
    with Program("catching", "loop") as p:
        p.line()
        with Session("catching", attach=p.pid) as s:
            catch(s, "getppid")
            stop = s.cont()
            if told(stop)[0] == "return":
                stop = s.cont()
            pair(s, "getppid", stop)
            equal(s.packet("D;%x" % p.pid), "OK", "D")
        runs_free(p)


@case
def attached_while_it_sleeps_in_a_call():
    """What is seen of that is that it is entered again."""
    with Program("catching", "sleep") as p:
        p.line()
        check(until(lambda: task_state(p.pid) == "S"), "not asleep")
        with Session("catching", attach=p.pid) as s:
            catch(s, "read")
            stop = s.cont()
            equal(told(stop), ("entry", 0), "stop")
            s.start()
            s.quiet(0.05)


def runs_free(p):
    """Nobody traces it, and it does not stand still."""
    with open("/proc/%d/status" % p.pid) as f:
        check("TracerPid:\t0" in f.read(), "traced")
    seen = set()
    for _ in range(200):
        seen.add(task_state(p.pid))
        time.sleep(0.001)
    check(seen <= {"S", "R"}, "states", seen)


@case
def detached_at_an_entry():
    """The call is made, and nothing is caught any more."""
    with Program("catching", "loop") as p:
        p.line()
        with Session("catching", attach=p.pid) as s:
            catch(s, "getppid")
            stop = s.cont()
            while told(stop)[0] != "entry":
                stop = s.cont()
            equal(s.packet("D;%x" % p.pid), "OK", "D")
        runs_free(p)
        check(p.proc.poll() is None, "it ended")


@case(peer="gdbserver steps over the call unseen")
def detached_at_an_entry_with_slots():
    """A region is taken out of the program: what that injects must not wait
    for a call that may block for ever, nor spoil it."""
    def one(name):
        with Program(name, "loop") as p:
            p.line()
            with Session(name, attach=p.pid) as s:
                s.point(0, "end", rest=FALSE)
                s.point(0, "begin", rest=FALSE)
                catch(s, "getppid")
                stop = s.cont()
                while told(stop)[0] != "entry":
                    stop = s.cont()
                insn = s.pc() - 2
                s.point(0, insn, rest=FALSE)
                for _ in range(6):
                    stop = s.cont()
                while told(stop)[0] != "entry":
                    stop = s.cont()
                equal(s.packet("D;%x" % p.pid), "OK", "D")
            runs_free(p)
            check(p.proc.poll() is None, "it ended")
            with Session(name, attach=p.pid) as s:
                check(s.var("result") > 1, "result", s.var("result"))
                turns = s.var("turns")
                check(s.run_until(lambda: s.var("turns") > turns), "no turns")
    both(one)


@case
def detached_at_the_entry_of_a_call_that_blocks():
    with Session("catching", "sleep") as s:
        s.run_to("begin")
        s.point(0, "end", rest=FALSE)
        s.point(0, "call_me", rest=FALSE)
        s.point(0, s.pc(), rest=FALSE)
        catch(s, "read")
        equal(told(s.cont()), ("entry", 0), "entry")
        equal(s.packet("D;%x" % s.pid), "OK", "D")
        check(until(lambda: task_state(s.pid) == "S"), "not asleep")
        os.kill(s.pid, signal.SIGKILL)


@case(peer="gdbserver keeps it stopped")
def client_goes_while_it_catches():
    """An attached program runs on, and is not stopped for calls."""
    with Program("catching", "loop") as p:
        p.line()
        with Session("catching", attach=p.pid) as s:
            catch(s)
            s.cont()
            s.sock.close()
            check(until(lambda: task_state(p.pid) == "S"), "not free")
            seen = set()
            for _ in range(200):
                seen.add(task_state(p.pid))
                time.sleep(0.001)
            check(seen <= {"S", "R"}, "states", seen)


# --- threads and processes --------------------------------------------------

@case(peer="gdbserver takes entries for returns")
def threads_made_meanwhile():
    with Session("catching", "threads", "4") as s:
        s.run_to("begin")
        catch(s, "getppid")
        count = {}
        stop = s.cont()
        while stop.kind == "T":
            kind, n = told(stop)
            equal(n, 110, stop)
            last = count.setdefault(stop.tid, [])
            last.append(kind)
            stop = s.cont()
        equal((stop.kind, stop.number), ("W", 0), "end")
        equal(len(count), 4, "threads")
        for calls in count.values():
            equal(calls, ["entry", "return"] * 100, "calls")


@case(peer="gdbserver takes entries for returns")
def calls_that_make_threads_and_end_them():
    """All of them, with threads that halt each other."""
    with Session("catching", "threads", "2") as s:
        s.run_to("begin")
        catch(s)
        at = {}
        stop = s.cont()
        while stop.kind == "T":
            kind, n = told(stop)
            if kind == "return":
                equal(at.pop(stop.tid), n, "return of another call")
            else:
                check(stop.tid not in at, "two entries", stop)
                at[stop.tid] = n
            stop = s.cont()
        equal((stop.kind, stop.number), ("W", 0), "end")


@case(peer="gdbserver's child catches nothing")
def a_forked_child_keeps_them():
    def one(name):
        with Session(name, "fork", features=EVENTS) as s:
            s.run_to("begin")
            catch(s, "getppid")
            stop = s.cont()
            child = ptid(stop.fields["fork"])
            parent, s.pid = s.pid, child[0]
            equal(s.packet("Hgp%x.%x" % child), "OK", "Hg")
            s.start("vCont;c:p%x.-1" % child[0])
            stop = s.wait()
            equal(told(stop), ("entry", number(s, "getppid")), "stop")
            equal(ptid(stop.fields["thread"]), child, "thread")
            s.start("vCont;c:p%x.-1" % child[0])
            stop = s.wait()
            equal(told(stop), ("return", number(s, "getppid")), "stop")
            s.start("vCont;c:p%x.-1" % child[0])
            stop = s.wait()
            equal((stop.kind, stop.number), ("W", 3), stop)
            s.pid = parent
            stop = s.cont()
            pair(s, "getppid", stop)
            ends_well(s)
    both(one)


@case(peer="a child that it does not know of meets breakpoints")
def a_child_that_is_let_go_does_not():
    """Known to the client or not."""
    def one(mode, features):
        with Session("catching", mode, features=features) as s:
            s.run_to("begin")
            catch(s, "getppid")
            stop = s.cont()
            while "fork" in stop.fields or "vfork" in stop.fields:
                child = ptid(stop.fields.get("fork") or
                             stop.fields["vfork"])[0]
                equal(s.packet("D;%x" % child), "OK", "D")
                stop = s.cont()
            if "vforkdone" in stop.fields:
                stop = s.cont()
            pair(s, "getppid", stop)
            ends_well(s)
    for mode in "fork", "vfork":
        one(mode, EVENTS)
        one(mode, EVENTS.replace("vfork-events+;", "")
            .replace("fork-events+;", ""))


@case
def one_process_catches_and_the_other_does_not():
    with Session("catching", "fork", features=EVENTS) as s:
        s.run_to("begin")
        catch(s, "getppid")
        stop = s.cont()
        child = ptid(stop.fields["fork"])
        equal(s.packet("Hgp%x.%x" % child), "OK", "Hg")
        catch_none(s)
        s.start()
        stop = s.wait()
        while stop.kind == "W" or stop.number == 20:
            s.start()
            stop = s.wait()
        equal(told(stop), ("entry", 110), "stop")
        equal(ptid(stop.fields["thread"])[0], s.pid, "whose")


@case
def the_call_of_a_fork():
    """Entry, the event, return: in this order."""
    with Session("catching", "fork", features=EVENTS) as s:
        s.run_to("begin")
        catch(s)
        seen = []
        while len(seen) < 50 and not (seen and seen[-1][0] == "return" and
                                      ("fork",) in seen):
            stop = s.cont()
            if "fork" in stop.fields:
                seen.append(("fork",))
                child = ptid(stop.fields["fork"])[0]
                equal(s.packet("D;%x" % child), "OK", "D")
            else:
                seen.append(told(stop))
        i = seen.index(("fork",))
        equal([seen[i - 1], seen[i + 1]], [("entry", 56), ("return", 56)],
              "around the event")


@case
def the_call_of_an_exec():
    """Entry, the event, return of the new program; calls are still caught."""
    with Session("catching", "exec", inferior("catching"), "plain",
                 features=EVENTS) as s:
        s.run_to("begin")
        catch(s, "execve", "getppid")
        equal(told(s.cont()), ("entry", 59), "entry")
        stop = s.cont()
        check("exec" in stop.fields, "no exec:", stop)
        equal(told(s.cont()), ("return", 59), "return")
        s.base = None
        pair(s, "getppid")


@case(peer="gdbserver takes the return's number from the registers")
def exec_into_the_other_personality():
    with Session("catching", "exec", inferior("catching-i386"), "plain",
                 features=EVENTS) as s:
        s.run_to("begin")
        catch(s, "execve")
        equal(told(s.cont()), ("entry", 59), "entry")
        stop = s.cont()
        check("exec" in stop.fields, "no exec:", stop)
        equal(told(s.cont()), ("return", 59), "return")
        equal(s.packet("QCatchSyscalls:1;40"), "OK", "QCatchSyscalls")
        equal(told(s.cont()), ("entry", 64), "getppid of i386")
        equal(told(s.cont()), ("return", 64), "getppid of i386")


if __name__ == "__main__":
    raise SystemExit(main())
