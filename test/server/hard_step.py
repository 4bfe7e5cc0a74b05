#!/usr/bin/env python3
"""Instructions that are awkward to step, to step over, or that trap."""
import re
import time

from rsp import FALSE, OPTIONS, Session, case, check, equal, main
from stepping_client import both, ends_well, stepped_to

FORKS = "multiprocess+;swbreak+;fork-events+;vContSupported+"
FIOFF = 260                 # where it is in the g packet


def off_it(s, label):
    """As gdb goes on from a breakpoint."""
    s.clear(0, label)
    s.step()
    s.point(0, label)


LIBRARIES = 0x7f << 40, 1 << 47     # and what is mapped besides


def go_through(s, place, step):
    """By steps, and in the libraries as step says, until that has returned."""
    s.run_to(place)
    back = int.from_bytes(s.read(s.reg("rsp"), 8), "little")
    while s.pc() != back:
        if LIBRARIES[0] <= s.pc() < LIBRARIES[1]:
            step(s)
        else:
            s.step()


def range_step(s):
    s.start("vCont;r%x,%x:%s;c" % (*LIBRARIES, s.name(s.tid())))
    stop = s.wait()
    equal((stop.kind, stop.number), ("T", 5), stop)


CHANGES = "replaced", "unmapped", "moved_over", "moved_away"


@case
def steps_over_calls_that_replace_what_code_relies_on():
    for change in CHANGES:
        with Session("tr_constant", change) as s:
            go_through(s, change, Session.step)
            ends_well(s)


@case
def range_steps_over_calls_that_replace_what_code_relies_on():
    for change in CHANGES:
        with Session("tr_constant", change) as s:
            go_through(s, change, range_step)
            ends_well(s)


@case
def a_false_condition_in_code_that_may_change():
    """Where translated code compares itself with the program's."""
    with Session("manysteps") as s:
        for label in "after", "empty":
            s.point(0, label, 1, FALSE)
        s.point(0, "x87_told")
        for _ in range(3):
            s.at("x87_told", s.cont())
        s.clear(0, "x87_told")
        ends_well(s, 7)


@case
def the_x87_tells_where_it_was_at_a_breakpoint():
    """One that is passed for its condition. A followed program itself sees
    the address of its copy."""
    with Session("manysteps") as s:
        want = hex(s.addr("x87_store") & 0xffffffff)
        s.point(0, "x87_store", 1, FALSE)
        s.point(0, "x87_save")
        s.point(0, "x87_told")
        for _ in range(3):
            s.at("x87_save", s.cont())
            told = bytes.fromhex(s.packet("g"))[FIOFF:FIOFF + 4]
            equal(hex(int.from_bytes(told, "little")), want, "the last one")
            off_it(s, "x87_save")
            s.at("x87_told", s.cont())
            off_it(s, "x87_told")
            if not OPTIONS.follow:
                equal(hex(s.reg("r13")), want, "what the program sees")


@case
def breakpoints_in_code_that_may_be_written():
    """They are met, and passed for their conditions, in a page that the
    program writes to."""
    with Session("manysteps") as s:
        s.point(0, "turn", 1, FALSE)
        s.point(0, "odd")
        for name in "after", "again", "empty":
            s.point(0, name, 1, FALSE)
        for n in range(10):
            s.at("odd", s.cont())
            equal(s.reg("rbx"), 40 - n, "turns")
            off_it(s, "odd")
        s.clear(0, "odd")
        ends_well(s, 7)


@case(peer="gdbserver shows what it was")
def what_is_written_over_a_breakpoint_is_read():
    with Session("manysteps") as s:
        equal(s.read(s.addr("rewritten"), 1), b"\xf8", "clc")
        s.point(0, "rewritten")
        equal(s.read(s.addr("rewritten"), 1), b"\xf8", "a breakpoint there")
        s.point(0, "rewrote")
        stop = s.cont()
        if OPTIONS.follow and s.pc() == s.addr("rewritten"):
            off_it(s, "rewritten")
            stop = s.cont()
        s.at("rewrote", stop)
        equal(s.read(s.addr("rewritten"), 1), b"\xf9", "stc")
        s.clear(0, "rewritten")
        equal(s.read(s.addr("rewritten"), 1), b"\xf9", "stc, later")
        s.clear(0, "rewrote")
        ends_well(s, 7)


@case
def step_into_handler_from_call_that_is_caught():
    def one(name):
        with Session(name, "fork") as s:
            s.run_to("at_fork")
            equal(s.packet("QCatchSyscalls:1"), "OK", "QCatchSyscalls")
            stop = s.signal(30, step=True)      # gdb's SIGUSR1
            s.at("on_user", stop)
            equal(s.packet("QCatchSyscalls:0"), "OK", "QCatchSyscalls")
            ends_well(s)
    both(one)


@case(peer="gdbserver loses the signal")
def step_into_handler_at_its_first_instruction():
    """Where it is already: another signal comes."""
    def one(name):
        with Session(name, "popf") as s:
            s.run_to("at_popf")
            sp = "rsp" if s.elf.word == 8 else "esp"
            s.at("on_user", s.signal(30, step=True))    # gdb's SIGUSR1
            first = s.reg(sp)
            s.at("on_user", s.signal(31, step=True))    # and SIGUSR2
            check(s.reg(sp) < first, "no other frame")
            ends_well(s)
    both(one)


def own_trap(name, mode):
    with Session(name, mode) as s:
        s.run_to("at_" + mode)
        stop = s.cont()
        equal(stop.number, 5, "own trap")
        check("swbreak" not in stop.fields, stop)
        equal(hex(s.pc()), hex(s.addr("past_" + mode)), "pc")
        check(s.cont().kind == "W", "after it")


@case(peer="gdbserver goes back to it, and never gets past")
def own_int3():
    both(lambda name: own_trap(name, "int3"))


@case(peer="gdbserver takes any int3 for one byte")
def own_int_3_of_two_bytes():
    both(lambda name: own_trap(name, "long3"))


@case(peer="gdbserver goes back to it, and never gets past")
def signal_of_own_int3_reaches_handler():
    def one(name):
        for mode in "int3", "long3":
            with Session(name, mode) as s:
                s.run_to("main")
                s.cont()
                end = s.signal(5)
                equal((end.kind, end.number), ("W", 0), "end")
    both(one)


@case(peer="gdbserver reports it")
def breakpoint_on_own_int3():
    """The point tells, not the trap below; passing over it is silent."""
    with Session("stepping", "int3") as s:
        s.run_to("main")
        s.point(0, "at_int3")
        stop = s.cont()
        s.at("at_int3", stop)
        s.clear(0, "at_int3")
        s.point(0, "at_int3", rest=FALSE)
        equal(s.finish().number, 1, "end")


def fault(name, mode, signo, rest=None):
    with Session(name, mode) as s:
        s.run_to("main")
        if rest:
            s.point(0, "at_" + mode, rest=rest)
        stop = s.cont()
        equal(stop.number, signo, stop)
        equal(hex(s.pc()), hex(s.addr("at_" + mode)), "pc")
        info = s.xfer("siginfo")
        equal(int.from_bytes(info[:4], "little"), signo, "si_signo")
        end = s.signal(signo)
        equal((end.kind, end.number), ("W", 0), "end")


@case
def own_hlt():
    both(lambda name: fault(name, "hlt", 11))


@case
def own_ud2():
    both(lambda name: fault(name, "ud2", 4))


@case
def breakpoint_with_false_condition_on_faults():
    both(lambda name: fault(name, "hlt", 11, FALSE))
    both(lambda name: fault(name, "ud2", 4, FALSE))


@case
def step_onto_own_fault():
    def one(name):
        with Session(name, "ud2") as s:
            s.run_to("at_ud2")
            equal(s.step().number, 4, "step")
            equal(hex(s.pc()), hex(s.addr("at_ud2")), "pc")
    both(one)


@case
def step_repeated_string():
    def one(name):
        with Session(name, "rep") as s:
            s.run_to("at_rep")
            n = "rcx" if s.elf.word == 8 else "ecx"
            for left in range(15, 0, -1):
                s.step()
                equal(hex(s.pc()), hex(s.addr("at_rep")), "pc")
                equal(s.reg(n), left, n)
            stepped_to(s, "past_rep", 2)
            ends_well(s)
    both(one)


@case
def repeated_string_under_false_condition():
    def one(name):
        with Session(name, "rep") as s:
            s.run_to("main")
            s.point(0, "at_rep", rest=FALSE)
            s.run_to("past_rep")
            equal(s.read(s.addr("to"), 16), s.read(s.addr("from"), 16), "to")
            ends_well(s)
    both(one)


@case
def step_over_fork():
    def one(name):
        with Session(name, "fork") as s:
            s.run_to("at_fork")
            stepped_to(s, "past_fork")
            ends_well(s)
    both(one)


@case
def fork_under_false_condition():
    def one(name):
        with Session(name, "fork") as s:
            s.run_to("main")
            s.point(0, "at_fork", rest=FALSE)
            ends_well(s)
    both(one)


@case
def step_over_exit():
    def one(name):
        with Session(name, "exit") as s:
            s.run_to("at_exit")
            stop = s.step()
            equal((stop.kind, stop.number), ("W", 8), "step")
        with Session(name, "exit") as s:
            s.run_to("main")
            s.point(0, "at_exit", rest=FALSE)
            ends_well(s, 8)
    both(one)


@case
def interrupt_range_step_over_blocking_read():
    def one(name):
        with Session(name, "read") as s:
            s.run_to("at_read")
            for _ in range(3):
                s.start("vCont;r%x,%x:%s;c" % (
                    s.addr("at_read"), s.addr("past_read") + 40,
                    s.name(s.tid())))
                time.sleep(0.05)
                stop = s.interrupt()
                equal(stop.number, 2, stop)
                check(s.pc() in (s.addr("at_read"), s.addr("past_read")),
                      "pc %#x" % s.pc())
            equal(s.var("traps"), 0, "turns")
    both(one)


@case
def interrupt_step_over_blocking_read():
    def one(name):
        with Session(name, "read") as s:
            s.run_to("at_read")
            s.start("vCont;s:%s;c" % s.name(s.tid()))
            time.sleep(0.05)
            stop = s.interrupt()
            # The kernel may have it that the step is done, and restart the
            # call then; the ^C is still to be answered.
            if stop.number == 5:
                s.start()
                stop = s.wait()
            equal(stop.number, 2, stop)
            s.start()
            if stop.number == 5 and s.receive(0.2):  # the ^C is still due
                s.start()
            s.quiet(0.1)
            s.interrupt()
            equal(s.var("traps"), 0, "turns")
    both(one)


@case
def step_through_vdso():
    """sysenter, syscall or int 0x80, whichever the processor has."""
    with Session("stepping-i386", "vdso") as s:
        s.run_to("at_vdso")
        seen = []
        for _ in range(20):
            s.step()
            seen.append(s.pc())
            if s.pc() == s.addr("past_vdso"):
                break
        equal(hex(s.pc()), hex(s.addr("past_vdso")), "pc")
        ends_well(s)
    with Session("stepping-i386", "vdso") as s:
        s.run_to("main")
        for pc in seen[:-1]:
            s.point(0, pc, rest=FALSE)
        ends_well(s)


@case
def first_step_of_a_program():
    """The way out of its exec is none; that out of a fork that was told of
    ends one that began before it."""
    with Session("signalling", "exit", "7") as s:
        before = s.pc()
        s.step()
        check(s.pc() != before, "it has not moved")
    with Session("signalling", "daemon", features=FORKS) as s:
        stop = s.cont()
        check("fork" in stop.fields, "no fork:", stop)
        before = s.pc()
        equal(s.packet("vKill;" + stop.fields["fork"][1:].split(".")[0]), "OK",
              "vKill")
        s.step()
        equal(hex(s.pc()), hex(before), "pc")


EMULATED = "0fa2", "f30fa2", "660fa2", "480fa2", "2ef2410fa2"
BEHIND = "bf07000000"           # mov $7,%edi


def write_code(s, text):
    """Code of the test's own, which the thread is at the start of."""
    at = s.addr("unused")
    s.write(at, bytes.fromhex(text))
    s.set_reg("rdi", 1)
    s.set_reg("rip", at)
    return at


def catch_calls(s):
    equal(s.packet("QCatchSyscalls:1"), "OK", "QCatchSyscalls")


def set_debug_register(s):
    s.point(2, s.reg("rsp") & ~7, 8)


def point_there(s):
    s.point(0, "unused", 1, FALSE)


@case(peer="it steps by the trap flag alone")
def step_over_what_hypervisors_emulate():
    """Some forget the trap flag, so that a step ends behind the next one: by
    itself, and where steps are not made in the quickest way."""
    for what in None, catch_calls, set_debug_register, point_there:
        with Session("counting", "1") as s:
            s.run_to("all_there")
            if what:
                what(s)
            for bytes_ in EMULATED:
                size = len(bytes_) // 2
                at = write_code(s, bytes_ + BEHIND)
                s.set_reg("rax", 0)
                s.step()
                equal(hex(s.pc()), hex(at + size), bytes_)
                equal(s.reg("rdi"), 1, "by what is behind it")
                check(s.reg("rbx") > 0x20202020, "no text of cpuid's")
                s.step()
                equal((s.pc(), s.reg("rdi")), (at + size + 5, 7), "behind it")
                write_code(s, bytes_ + BEHIND)
                s.start("vCont;r%x,%x:%s" % (at, at + size, s.name(s.tid())))
                equal(s.wait().number, 5, "a range step")
                equal(hex(s.pc()), hex(at + size), "pc")


@case(peer="it steps by the trap flag alone")
def step_over_what_hypervisors_emulate_when_interrupted():
    """No signal is delivered by that stop, which another thread may tell."""
    for others in "0", "1":
        with Session("counting", others) as s:
            s.run_to("all_there")
            tid = s.tid()
            at = write_code(s, "0fa2" + BEHIND + "0fa2" + "ebf5")
            goes = {at: at + 2, at + 2: at + 7, at + 7: at + 9, at + 9: at}
            for _ in range(20):
                s.start()
                s.quiet(0.01)
                s.interrupt()
                s.select(tid)
                for _ in range(5):
                    pc = s.pc()
                    s.step(tid)
                    equal(hex(s.pc()), hex(goes[pc]), "from %#x" % pc)


def is_amd():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        return re.search(r"vendor_id\s*: (AuthenticAMD|HygonGenuine)", f.read())


# Near branches with 66: bytes, which a 16-bit operand makes shorter; how far
# they go from their end, or None: to what rax and the stack say; bytes that they
# push (in 64-bit mode) or pop. ZF is clear, rcx is 3.
NEAR = (
    ("66eb10", 3, 3, 16, 0), ("66e910000000", 6, 4, 16, 0),
    ("667510", 3, 3, 16, 0), ("667410", 3, 3, 0, 0),
    ("660f8510000000", 7, 5, 16, 0), ("66e210", 3, 3, 16, 0),
    ("66e810000000", 6, 4, 16, -1), ("66ffd0", 3, 3, None, -1),
    ("66ffe0", 3, 3, None, 0), ("66c3", 2, 2, None, 1),
)


@case(peer="gdbserver stops there whatever its condition says")
def step_over_near_branches_of_16_bits():
    """Processors of AMD cut the address, those of Intel ignore the prefix;
    with a breakpoint there, whose condition is false, and without."""
    with Session("counting", "1") as s:
        s.run_to("all_there")
        code, sp, amd = s.addr("unused"), s.reg("rsp"), is_amd()
        for n, (bytes_, long, short, to, stack) in enumerate(NEAR):
            at = code + 64 * n
            goal = at + 60 if to is None else at + (short if amd else long) + to
            if amd and bytes_ != "667410":
                goal &= 0xffff
            s.write(at, bytes.fromhex(bytes_))
            s.write(sp, (at + 60).to_bytes(8, "little"))
            for point in False, True, False:
                if point:
                    s.point(0, at, 1, FALSE)
                for name, value in (("rax", at + 60), ("rcx", 3), ("rsp", sp),
                                    ("eflags", 0x202), ("rip", at)):
                    s.set_reg(name, value)
                s.step()
                equal(hex(s.pc()), hex(goal), bytes_)
                equal(s.reg("rsp") - sp, stack * (2 if amd else 8), bytes_)
                if point:
                    s.clear(0, at)


@case
def end_of_a_step_is_told_first():
    """A thread is stepped over the system call that makes another one, which
    runs at once, and stops by a trap at the same time."""
    with Session("counting", "1") as s:
        s.run_to("all_there")
        here, call = s.tid(), s.addr("unused")
        s.write(call, b"\x0f\x05\xcc")
        for _ in range(20):
            s.select(here)
            # CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
            for name, value in (("rax", 56), ("rdi", 0x50f00), ("rdx", 0),
                                ("rsi", call + 4000), ("r10", 0), ("r8", 0),
                                ("rip", call)):
                s.set_reg(name, value)
            s.start("vCont;s:" + s.name(here))
            stop = s.wait()
            equal((stop.tid, stop.number), (here, 5), "who is told first")
            made = s.reg("rax")
            equal(s.pc(), call + 2, "its step")
            s.start("vCont;c:" + s.name(made))
            stop = s.wait()
            equal((stop.tid, stop.number), (made, 5), "what comes then")


if __name__ == "__main__":
    raise SystemExit(main())
