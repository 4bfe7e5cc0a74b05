#!/usr/bin/env python3
"""System calls that are caught: entries and returns, and nothing else."""
import os
import re
import signal
import time

from rsp import (FALSE, Late, Program, Session, case, check, equal, inferior,
                 main, ptid, task_state, until)

EVENTS = ("multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;"
          "exec-events+;vContSupported+;no-resumed+;xmlRegisters=i386")

# getppid write execve exit_group rt_sigreturn read, by word size
CALLS = {
    8: {"getppid": 110, "write": 1, "execve": 59, "exit_group": 231,
        "rt_sigreturn": 15, "read": 0, "getpid": 39, "munmap": 11},
    4: {"getppid": 64, "write": 4, "execve": 11, "exit_group": 252,
        "rt_sigreturn": 173, "read": 3, "getpid": 20, "munmap": 91},
}


# Instructions that make calls: how far behind them they come back. Those of
# the 32-bit vDSO, sysenter or (AMD) syscall, do behind the int $0x80 that
# follows them.
INSNS = {b"\x0f\x05": 2, b"\xcd\x80": 2, b"\x0f\x34\xcd\x80": 4,
         b"\x0f\x05\xcd\x80": 4}


def both(f):
    for name in "catching", "catching-i386":
        f(name)


def number(s, name):
    return CALLS[s.elf.word][name]


def catch(s, *names):
    """The calls of these names; all without."""
    numbers = "".join(";%x" % number(s, n) for n in names)
    equal(s.packet("QCatchSyscalls:1" + numbers), "OK", "QCatchSyscalls")


def catch_none(s):
    equal(s.packet("QCatchSyscalls:0"), "OK", "QCatchSyscalls:0")


def told(stop):
    """("entry" or "return", number), or the stop's text."""
    for kind in "entry", "return":
        if "syscall_" + kind in stop.fields:
            equal(stop.number, 5, "signal of %s" % stop)
            return kind, int(stop.fields["syscall_" + kind], 16)
    return stop.text


def pair(s, name, first=None):
    """Entry and return of a call; the return's result."""
    n = number(s, name)
    equal(told(first or s.cont()), ("entry", n), name)
    equal(told(s.cont()), ("return", n), name)
    return s.reg("rax" if s.elf.word == 8 else "eax")


def ends_well(s, stop=None):
    stop = stop or s.cont()
    equal((stop.kind, stop.number), ("W", 0), "end " + s.said().decode())


@case
def named_calls_are_told():
    def one(name):
        with Session(name, "plain") as s:
            s.run_to("begin")
            catch(s, "write", "getppid")
            parent = pair(s, "getppid")
            check(parent > 1, "getppid", parent)
            bad = pair(s, "write")
            equal(bad & 0xffffffff, 0xffffffff - 8, "EBADF")
            equal(pair(s, "getppid"), parent, "getppid")
            ends_well(s)
    both(one)


@case
def all_calls_are_told_in_pairs():
    def one(name):
        with Session(name, "plain") as s:
            s.run_to("begin")
            catch(s)
            calls = []
            stop = s.cont()
            while stop.kind == "T":
                calls.append(told(stop))
                stop = s.cont()
            equal((stop.kind, stop.number), ("W", 0), "end")
            equal(calls.pop(), ("entry", number(s, "exit_group")), "last")
            names = [number(s, n) for n in ("getppid", "write", "getppid")]
            want = [(k, n) for n in names for k in ("entry", "return")]
            equal(calls[:6], want, "calls")
    both(one)


@case(peer="gdbserver calls the first entry a return")
def the_program_starts_behind_its_exec():
    """What is caught from the first instruction on is the program's own."""
    for name in "catching", "catching-static", "catching-i386":
        with Session(name, "plain") as s:
            pc = s.pc()
            catch(s)
            stop = s.cont()
            check(told(stop)[0] == "entry", "first:", stop)
            check(told(stop)[1] != number(s, "execve"), "first:", stop)
            check(s.pc() != pc, "pc", hex(pc))


@case
def the_first_step_is_one():
    for name in "catching", "catching-static", "catching-i386":
        with Session(name, "plain") as s:
            pc = s.pc()
            equal(s.step().number, 5, "step")
            check(s.pc() != pc, "still at", hex(pc))


@case
def none_are_told_after_0():
    with Session("catching", "plain") as s:
        s.run_to("begin")
        catch(s, "getppid")
        equal(told(s.cont()), ("entry", 110), "stop")
        catch_none(s)
        ends_well(s)


@case
def a_new_list_replaces_the_old():
    with Session("catching", "plain") as s:
        s.run_to("begin")
        catch(s, "getppid")
        catch(s, "write")
        pair(s, "write")
        ends_well(s)


@case(peer="gdbserver takes an empty list, and numbers of any length")
def malformed_lists_change_nothing():
    with Session("catching", "plain") as s:
        s.run_to("begin")
        catch(s, "write")
        for bad in (":", ":2", ":1;", ":1;6e;", ":1;x", ":0;6e", ":16e",
                    ":1;123456789", ":1;6e,1", "", ":1;-1"):
            reply = s.packet("QCatchSyscalls" + bad)
            check(reply[:1] == "E", bad, "is answered", reply)
        pair(s, "write")
        ends_well(s)


@case(peer="gdbserver 13.1 dies of it")
def a_long_list_is_taken():
    with Session("catching", "plain") as s:
        s.run_to("begin")
        many = list(range(600, 20000)) + [110] + list(range(400, 500))
        equal(s.packet("QCatchSyscalls:1;" + ";".join(
            "%x" % n for n in many)), "OK", "QCatchSyscalls")
        pair(s, "getppid")
        pair(s, "getppid")
        ends_well(s)


@case(peer="gdbserver takes it for the 64-bit call of that number")
def calls_of_another_kind_have_other_numbers():
    """int $0x80 with 20: getpid there, writev as 64-bit numbers go."""
    with Session("catching", "other") as s:
        s.run_to("begin")
        equal(s.packet("QCatchSyscalls:1;14"), "OK", "QCatchSyscalls")
        ends_well(s)
    with Session("catching-i386", "other") as s:
        s.run_to("begin")
        equal(s.packet("QCatchSyscalls:1;14"), "OK", "QCatchSyscalls")
        equal(pair(s, "getpid"), s.pid, "getpid")


@case
def calls_of_another_kind_are_among_all():
    with Session("catching", "other") as s:
        s.run_to("begin")
        catch(s)
        equal(told(s.cont()), ("entry", 20), "entry")
        equal(told(s.cont()), ("return", 20), "return")
        equal(s.reg("rax"), s.pid, "rax")


# --- stepping ---------------------------------------------------------------

def step_to_stop(s, steps=20000):
    for _ in range(steps):
        stop = s.step()
        if told(stop) != stop.text:
            return stop
    raise AssertionError("no call in %d steps" % steps)


@case(peer="gdbserver steps through calls unseen")
def steps_meet_calls():
    def one(name):
        with Session(name, "plain") as s:
            s.run_to("begin")
            catch(s, "getppid")
            stop = step_to_stop(s)
            equal(told(stop), ("entry", number(s, "getppid")), "stop")
            pc = s.pc()
            stop = s.step()
            equal(told(stop), ("return", number(s, "getppid")), "stop")
            equal(s.pc(), pc, "pc")
            equal(told(s.step()), s.packet("?"), "a step")
            check(s.pc() != pc, "no step", hex(pc))
            check(told(s.cont())[0] == "entry", "next")
    both(one)


@case
def steps_over_calls_of_no_interest():
    """To the instruction behind, in one step each."""
    def one(name):
        with Session(name, "plain") as s:
            s.run_to("begin")
            catch(s, "write")
            seen = 0
            for _ in range(20000):
                before = s.pc()
                code = s.read(before, 4)
                stop = s.step()
                if told(stop) != stop.text:
                    break
                behind = INSNS.get(code, INSNS.get(code[:2]))
                if behind:
                    seen += 1
                    equal(s.pc(), before + behind, "pc")
                    equal(stop.number, 5, stop)
                    break
            check(seen, "no call was stepped over")
            pair(s, "write")
            ends_well(s)
    both(one)


@case
def step_from_an_entry_that_is_no_longer_caught():
    with Session("catching", "plain") as s:
        s.run_to("begin")
        catch(s, "getppid")
        equal(told(s.cont()), ("entry", 110), "entry")
        pc = s.pc()
        catch_none(s)
        stop = s.step()
        equal((stop.number, told(stop)), (5, stop.text), "step")
        equal(s.pc(), pc, "pc")
        check(s.reg("rax") > 1, "result")
        ends_well(s)


@case(peer="gdbserver steps over it unseen")
def a_false_condition_at_the_call_itself():
    """Stepped over out of line, and told with its own pc."""
    def one(name):
        with Session(name, "plain") as s:
            s.run_to("begin")
            catch(s, "getppid")
            s.cont()
            insn = s.pc() - 2
            s.cont()
            s.point(0, insn, rest=FALSE)
            pair(s, "getppid")
            equal(hex(s.pc()), hex(insn + 2), "pc")
            s.clear(0, insn)
            ends_well(s)
    both(one)


@case(peer="gdbserver steps through calls unseen")
def a_step_to_where_the_client_put_the_thread():
    with Session("catching", "plain") as s:
        s.run_to("begin")
        catch(s, "getppid")
        pair(s, "getppid")
        s.set_reg("rip", s.pc() - 2)
        s.set_reg("rax", 110)
        equal(told(s.step()), ("entry", 110), "a step")
        equal(told(s.step()), ("return", 110), "a step")
        pair(s, "getppid")
        ends_well(s)


# --- signals ----------------------------------------------------------------

@case(peer="gdbserver says that it is -1")
def the_return_from_a_handler_is_told_by_its_number():
    def one(name):
        with Session(name, "handler") as s:
            s.run_to("begin")
            catch(s, "rt_sigreturn" if s.elf.word == 8 else "getppid",
                  "getppid")
            pair(s, "getppid")
            stop = s.cont()
            equal(stop.number, 30, stop)
            stop = s.signal(30)
            if s.elf.word == 8:
                equal(told(stop), ("entry", 15), "entry")
                stop = s.cont()
                check(told(stop) == ("return", 15), stop)
                stop = s.cont()
            pair(s, "getppid", stop)
            ends_well(s)
    both(one)



@case
def a_signal_during_a_call():
    """The call returns, the signal is told, the call is restarted."""
    def one(name):
        with Session(name, "sleep") as s:
            s.run_to("begin")
            catch(s, "read")
            equal(told(s.cont()), ("entry", number(s, "read")), "entry")
            s.start()
            check(until(lambda: task_state(s.pid) == "S"), "not asleep")
            os.kill(s.pid, signal.SIGUSR1)
            equal(told(s.wait()), ("return", number(s, "read")), "return")
            equal(s.cont().number, 30, "signal")
            equal(told(s.signal(30)), ("entry", number(s, "read")), "again")
            equal(s.var("handled"), 1, "handled")
    both(one)


@case
def a_passed_signal_during_a_call():
    with Session("catching", "sleep") as s:
        s.run_to("begin")
        equal(s.packet("QPassSignals:1e"), "OK", "QPassSignals")
        catch(s, "read")
        equal(told(s.cont()), ("entry", 0), "entry")
        s.start()
        check(until(lambda: task_state(s.pid) == "S"), "not asleep")
        os.kill(s.pid, signal.SIGUSR1)
        equal(told(s.wait()), ("return", 0), "return")
        equal(told(s.cont()), ("entry", 0), "again")
        equal(s.var("handled"), 1, "handled")


@case(peer="gdbserver tells of it a second time")
def a_signal_given_at_an_entry():
    """By a stop that can deliver none: it is sent, and handled."""
    with Session("catching", "plain") as s:
        s.run_to("begin")
        catch(s, "getppid")
        equal(told(s.cont()), ("entry", 110), "entry")
        equal(told(s.signal(30)), ("return", 110), "return")
        equal(s.var("handled"), 0, "handled")
        stop = s.cont()
        equal(told(stop), ("entry", 110), stop)
        equal(s.var("handled"), 1, "handled")


@case
def interrupt_in_a_call():
    """^C stops it, maybe after stops that it causes: the call returns, and is
    entered again."""
    with Session("catching", "sleep") as s:
        s.run_to("begin")
        catch(s, "read")
        equal(told(s.cont()), ("entry", 0), "entry")
        s.start()
        check(until(lambda: task_state(s.pid) == "S"), "not asleep")
        s.sock.sendall(b"\x03")
        stop = s.wait()
        for _ in range(10):
            if told(stop) == stop.text:
                break
            stop = s.cont()
        equal(stop.number, 2, stop)
        check(s.cont().number == 5, "not caught again")


class Registers:
    """What the g packet has where, of 64 bits."""

    def __init__(self, s):
        text = s.xfer("features", "target.xml").decode()
        at, self.at = 0, {}
        for name, bits in re.findall(r'<reg name="(\w+)" bitsize="(\d+)"', text):
            self.at[name] = at, at + int(bits) // 4
            at += int(bits) // 4

    def put(self, text, **values):
        for name, value in values.items():
            lo, hi = self.at[name]
            text = text[:lo] + value.to_bytes(8, "little").hex() + text[hi:]
        return text


def call(s, registers, function):
    """As clients have the current thread call a function of their user's."""
    before = s.all_regs()
    stack = (s.reg("rsp") - 256 & ~15) - 8
    s.write(stack, s.addr("main").to_bytes(8, "little"))
    equal(s.packet("G" + registers.put(
        before, rip=s.addr(function), rsp=stack, orig_rax=(1 << 64) - 1)),
        "OK", "G")
    s.point(0, "main")
    s.start("vCont;c:" + s.name(s.tid()))
    s.at("main", s.wait())
    s.clear(0, "main")
    equal(s.packet("G" + before), "OK", "G")


@case(peer="gdbserver loses the call")
def functions_called_where_threads_were_halted():
    """Their calls are not lost, be they at one that nobody was told of."""
    with Session("catching", "busy") as s:
        registers = Registers(s)
        s.run_to("begin")
        catch(s, "read")
        for _ in range(100):
            s.start()
            time.sleep(.0005)
            s.interrupt()
            for tid in s.tids():
                s.select(tid)
                call(s, registers, "call_me")
        s.set_var("over", 1)
        ends_well(s)


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
