#!/usr/bin/env python3
"""The flag that makes the processor step is not to be seen by the program, and
not to stay with it."""
import os
import signal
import time

from rsp import FALSE, FEATURES, Session, case, check, equal, main, until
from stepping_client import both, ends_well, stepped_to

FORKS = "multiprocess+;swbreak+;fork-events+;vfork-events+;vContSupported+"
TF = 0x100


def hidden(s, where):
    check(not s.reg("eflags") & TF, "TF is shown", where)


# --- pushf and popf themselves ----------------------------------------------

@case(peer="gdbserver shows the program its trap flag")
def step_over_pushf():
    def one(name):
        with Session(name, "pushf") as s:
            s.run_to("at_pushf")
            stepped_to(s, "past_pushf")
            sp = s.reg("rsp" if s.elf.word == 8 else "esp")
            flags = int.from_bytes(s.read(sp, 4), "little")
            check(not flags & TF, "TF in the pushed flags")
            ends_well(s)
    both(one)



@case(peer="gdbserver shows the program its trap flag")
def range_step_over_pushf():
    def one(name):
        with Session(name, "pushf") as s:
            s.run_to("at_pushf")
            s.packet("vCont;r%x,%x:%s;c" % (
                s.addr("at_pushf"), s.addr("past_pushf") + 4,
                s.name(s.tid())))
            ends_well(s)
    both(one)



@case
def step_over_popf():
    def one(name):
        with Session(name, "popf") as s:
            s.run_to("at_popf")
            stepped_to(s, "past_popf")
            hidden(s, "there")
            ends_well(s)
    both(one)



@case(peer="gdbserver shows the program its trap flag")
def popf_and_pushf_under_false_condition():
    def one(name):
        for mode in "pushf", "popf":
            with Session(name, mode) as s:
                s.run_to("main")
                s.point(0, "at_" + mode, rest=FALSE)
                ends_well(s)
    both(one)



@case(peer="gdbserver shows the program its trap flag")
def step_into_handler_from_popf():
    """The kernel takes the flag that makes it step for what popf sets."""
    def one(name):
        with Session(name, "popf") as s:
            s.run_to("at_popf")
            stop = s.signal(30, step=True)      # gdb's SIGUSR1
            s.at("on_user", stop)
            hidden(s, "there")
            ends_well(s)
    both(one)



@case
def step_over_popf_with_signal_that_does_nothing():
    def one(name):
        with Session(name, "popf") as s:
            s.run_to("at_popf")
            stop = s.signal(28, step=True)      # gdb's SIGWINCH
            s.at("past_popf", stop)
            ends_well(s)
    both(one)



@case(peer="gdbserver shows the program its trap flag")
def signal_comes_before_step_over_popf():
    def one(name, then):
        with Session(name, "popf") as s:
            s.run_to("at_popf")
            os.kill(s.pid, signal.SIGUSR1)
            equal(s.step().number, 30, "stop")
            equal(hex(s.pc()), hex(s.addr("at_popf")), "pc")
            hidden(s, "there")
            then(s)
            ends_well(s)
    both(lambda name: one(name, lambda s: s.at(
        "on_user", s.signal(30, step=True))))
    both(lambda name: one(name, lambda s: None))
    both(lambda name: one(name, lambda s: stepped_to(s, "past_popf")))



# --- behind popf ------------------------------------------------------------
#
# Once popf was stepped the kernel takes the steps' flag for the program's.

def behind_popf(name, mode="popf", label=None, features=FEATURES):
    """popf was stepped; a mode's system call comes next."""
    label = label or mode
    s = Session(name, mode, features=features)
    popf, behind = ("at_popf", "past_popf") if mode == "popf" else \
        ("before_" + label, "at_" + label)
    s.run_to(popf)
    stepped_to(s, behind)
    hidden(s, "behind popf")
    return s


@case(peer="gdbserver leaves the program its trap flag")
def steps_behind_popf():
    def one(name):
        with behind_popf(name) as s:
            for _ in range(3):
                s.step()
                hidden(s, "behind a step")
            ends_well(s)
    both(one)


@case(peer="gdbserver leaves the program its trap flag")
def steps_onto_breakpoints_behind_popf():
    """The step meets it: no client's is that."""
    def one(name):
        with behind_popf(name) as s:
            for _ in range(3):
                pc = s.pc()
                s.packet("Z0,%x,1" % pc)
                s.step()
                equal(hex(s.pc()), hex(pc), "at the breakpoint")
                hidden(s, "at a breakpoint")
                s.packet("z0,%x,1" % pc)
                s.step()
                hidden(s, "behind a breakpoint")
            ends_well(s)
    both(one)


@case(peer="gdbserver leaves the program its trap flag")
def step_onto_a_watchpoint_behind_popf():
    """pushf meets it, and pushes the flag."""
    def one(name):
        with behind_popf(name) as s:
            sp, word = s.reg("rsp" if s.elf.word == 8 else "esp"), s.elf.word
            s.point(2, sp - word, word)
            stop = s.step()
            check("watch" in stop.fields, "no watchpoint:", stop)
            hidden(s, "at a watchpoint")
            pushed = int.from_bytes(s.read(sp - word, word), "little")
            check(not pushed & TF, "TF in the pushed flags")
            s.clear(2, sp - word, word)
            s.step()
            hidden(s, "behind a watchpoint")
            ends_well(s)
    both(one)


@case(peer="gdbserver leaves the program its trap flag")
def steps_over_forks_behind_popf():
    """The child has it neither."""
    def one(name):
        for mode in "fork", "vfork":
            with behind_popf(name, mode, "fork") as s:
                s.step()
                equal(hex(s.pc()), hex(s.addr("past_fork")), "pc")
                hidden(s, "behind " + mode)
                ends_well(s)
    both(one)


@case(peer="gdbserver leaves the program its trap flag")
def forks_behind_popf_that_are_told():
    def one(name):
        for mode in "fork", "vfork":
            with behind_popf(name, mode, "fork", FORKS) as s:
                stop = s.step()
                check(mode in stop.fields, "no", mode, stop)
                hidden(s, "of the parent")
                child = stop.fields[mode]
                equal(s.packet("Hg" + child), "OK", "Hg")
                hidden(s, "of the child")
                stop = s.cont()
                if "vforkdone" in stop.fields:
                    hidden(s, "of the parent, later")
                    stop = s.cont()
                equal((stop.kind, stop.number), ("W", 7), "the child's end")
    both(one)


@case(peer="gdbserver leaves the program its trap flag")
def threads_made_behind_popf():
    """At its second nop one with the flag would have a trap."""
    with Session("counting", "1") as s:
        s.run_to("all_there")
        here, code, sp = s.tid(), s.addr("unused"), s.reg("rsp")
        s.write(code, bytes.fromhex("9d0f059090cc"))   # popf; syscall; nops
        s.write(sp, (0x202).to_bytes(8, "little"))
        # CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
        for name, value in (("rax", 56), ("rdi", 0x50f00), ("rdx", 0),
                            ("rsi", code + 4000), ("r10", 0), ("r8", 0),
                            ("rip", code)):
            s.set_reg(name, value)
        s.step(here)
        s.start("vCont;s:" + s.name(here))
        stop = s.wait()
        equal((stop.tid, stop.number), (here, 5), "step")
        equal(hex(s.pc()), hex(code + 3), "pc")
        hidden(s, "behind clone")
        s.start("vCont;c:" + s.name(s.reg("rax")))
        stop = s.wait()
        equal(stop.number, 5, "the thread's trap")
        equal(hex(s.pc()), hex(code + 6), "its pc")
        hidden(s, "of the thread")


def told(s, stop, number):
    """The kernel may have it that the step is done, before the call is made
    again for what has come."""
    if stop.number == 5:
        hidden(s, "at its end")
        stop = s.cont()
    equal(stop.number, number, "what has come")


@case(peer="gdbserver leaves the program its trap flag")
def calls_behind_popf_that_are_interrupted():
    """By a client, and by a signal: its handler looks at the flag."""
    def one(name):
        with behind_popf(name, "read") as s:
            s.start("vCont;s:%s;c" % s.name(s.tid()))
            time.sleep(0.05)
            told(s, s.interrupt(), 2)
            hidden(s, "at ^C")
            s.start()
            s.quiet(0.1)
            s.interrupt()
        with behind_popf(name, "read") as s:
            s.start("vCont;s:%s;c" % s.name(s.tid()))
            time.sleep(0.05)
            os.kill(s.pid, signal.SIGUSR1)
            told(s, s.wait(), 30)
            hidden(s, "at the signal")
            s.start("vCont;C1e")
            until(lambda: False, 0.1)
            s.interrupt()
            equal(s.var("bad_frames"), 0, "frames with the flag")
    both(one)


if __name__ == "__main__":
    raise SystemExit(main())
