#!/usr/bin/env python3
"""The flag that makes the processor step is not to be seen by the program, and
not to stay with it."""
import os
import signal
import time

from rsp import FEATURES, Session, Skip, case, check, equal, main, until

BOTH = "stepping", "stepping-i386"
FORKS = "multiprocess+;swbreak+;fork-events+;vfork-events+;vContSupported+"
TF = 0x100


def both(f):
    for name in BOTH:
        try:
            f(name)
        except Skip:
            pass
        except Exception as e:
            raise type(e)("%s: %s" % (name, e))


def hidden(s, where):
    check(not s.reg("eflags") & TF, "TF is shown", where)


def ends_well(s, code=0):
    end = s.finish()
    equal((end.kind, end.number), ("W", code), "end")


# --- behind popf ------------------------------------------------------------
#
# Once popf was stepped the kernel takes the steps' flag for the program's.

def behind_popf(name, mode, label=None, features=FEATURES):
    """At a system call with popf before it, which was stepped."""
    label = label or mode
    s = Session(name, mode, features=features)
    s.run_to("before_" + label)
    s.step()
    equal(hex(s.pc()), hex(s.addr("at_" + label)), "pc")
    hidden(s, "behind popf")
    return s


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
