#!/usr/bin/env python3
"""System calls that are caught: entries and returns, and nothing else."""
import os
import re
import signal
import time

from rsp import (FALSE, Session, case, check, equal, forms, main, need_int80,
                 task_state, until)
from syscall_client import (INSNS, both, number, catch, catch_none, told, pair,
                            ends_well)

STATIC = "catching", "catching-static", "catching-i386"
UCONTEXT_RIP = 168      # <sys/ucontext.h>: uc_mcontext.gregs[REG_RIP]


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
    for name in forms(STATIC):
        with Session(name, "plain") as s:
            pc = s.pc()
            catch(s)
            stop = s.cont()
            check(told(stop)[0] == "entry", "first:", stop)
            check(told(stop)[1] != number(s, "execve"), "first:", stop)
            check(s.pc() != pc, "pc", hex(pc))


@case
def the_first_step_is_one():
    for name in forms(STATIC):
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
    need_int80()
    with Session("catching", "other") as s:
        s.run_to("begin")
        equal(s.packet("QCatchSyscalls:1;14"), "OK", "QCatchSyscalls")
        ends_well(s)


@case
def calls_of_i386_have_their_own_numbers():
    with Session("catching-i386", "other") as s:
        s.run_to("begin")
        equal(s.packet("QCatchSyscalls:1;14"), "OK", "QCatchSyscalls")
        equal(pair(s, "getpid"), s.pid, "getpid")


@case
def calls_of_another_kind_are_among_all():
    need_int80()
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


def give_at_an_entry(s):
    """A signal, at a stop that can deliver none: at the next one it waits."""
    s.run_to("begin")
    catch(s, "getppid")
    equal(told(s.cont()), ("entry", 110), "entry")
    equal(told(s.signal(30)), ("return", 110), "return")


@case(peer="gdbserver tells of it a second time")
def a_signal_given_at_an_entry():
    """By a stop that can deliver none: it is sent, and handled."""
    with Session("catching", "plain") as s:
        give_at_an_entry(s)
        equal(s.var("handled"), 0, "handled")
        stop = s.cont()
        equal(told(stop), ("entry", 110), stop)
        equal(s.var("handled"), 1, "handled")


@case
def its_frame_is_the_programs():
    """It comes when the thread has gone on: the handler returns to where it
    was stopped."""
    with Session("catching", "plain") as s:
        give_at_an_entry(s)
        pc = s.pc()
        s.point(0, "on_signal")
        s.at("on_signal", s.cont())
        rip = s.read(s.reg("rdx") + UCONTEXT_RIP, 8)
        equal(hex(int.from_bytes(rip, "little")), hex(pc), "returns to")


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


if __name__ == "__main__":
    raise SystemExit(main())
