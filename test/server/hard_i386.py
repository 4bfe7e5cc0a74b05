#!/usr/bin/env python3
"""What is laid out in another way for i386 programs: siginfo, registers."""
import struct

from rsp import FALSE, OPTIONS, Session, case, check, equal, forms, main

BOTH = "siginfos", "siginfos-i386"
# mode: the signal that stops it
KINDS = {"fault": 11, "ill": 4, "kill": 30, "queue": None, "child": 20,
         "timer": 31, "sys": 12}


def stop_of(s, mode):
    equal(s.packet("QPassSignals:"), "OK", "QPassSignals")
    stop = s.cont()
    check(stop.kind == "T", stop)
    if KINDS[mode]:
        equal(stop.number, KINDS[mode], mode)
    return stop


@case
def siginfo_is_what_the_handler_gets():
    """The program is the oracle: its handler keeps what the kernel gave."""
    for name in forms(BOTH):
        for mode in KINDS:
            if OPTIONS.peer and mode == "sys":
                continue    # gdbserver does not know its fields
            with Session(name, mode) as s:
                s.run_to("main")
                stop = stop_of(s, mode)
                told = s.xfer("siginfo")
                equal(len(told), 128, "length")
                s.point(0, "handled")
                s.signal(stop.number)
                got = s.read(s.addr("seen"), 128)
                # Behind the fields the kernel promises nothing.
                size = 28 if s.elf.word == 4 else 48
                if mode == "timer":     # a private field follows the value
                    size = 24 if s.elf.word == 4 else 32
                equal(told[:size].hex(), got[:size].hex(),
                      "%s %s" % (name, mode))


@case
def siginfo_fields_of_a_fault():
    for name in forms(BOTH):
        with Session(name, "fault") as s:
            s.run_to("main")
            stop_of(s, "fault")
            at, form = (16, "<Q") if s.elf.word == 8 else (12, "<I")
            info = s.xfer("siginfo")
            equal(hex(struct.unpack_from(form, info, at)[0]), "0x1230",
                  name)


@case
def siginfo_written_is_what_the_handler_gets():
    for name in forms(BOTH):
        for mode, at64, at32 in (("fault", 16, 12), ("queue", 24, 20),
                                 ("kill", 16, 12), ("child", 24, 20)):
            with Session(name, mode) as s:
                s.run_to("main")
                stop = stop_of(s, mode)
                at = at64 if s.elf.word == 8 else at32
                equal(s.packet(b"qXfer:siginfo:write::%x:" % at +
                               b"\x11\x22\x33\x44"), "4", "written")
                s.point(0, "handled")
                s.signal(stop.number)
                equal(s.read(s.addr("seen") + at, 4).hex(), "11223344",
                      "%s %s" % (name, mode))


@case
def registers_of_i386():
    with Session("stepping-i386", "rep") as s:
        s.run_to("at_rep")
        equal(s.reg("ecx"), 16, "ecx")
        equal(s.reg("esi"), s.addr("from"), "esi")
        equal(s.reg("cs"), 0x23, "cs")
        s.set_reg("ecx", 3)
        s.run_to("past_rep")
        equal(s.read(s.addr("to"), 5), b"012\0\0", "to")


@case
def call_number_of_i386():
    """A stop in a call shows its number, extended as the kernel has it."""
    with Session("stepping-i386", "read") as s:
        s.run_to("at_read")
        s.point(0, "at_read", rest=FALSE)
        s.start()
        s.quiet(0.05)
        s.interrupt()
        check(s.pc() in (s.addr("at_read"), s.addr("past_read")), "pc")
        if s.pc() == s.addr("past_read"):
            equal(s.reg("eax"), 2 ** 32 - 512, "eax")   # -ERESTARTSYS
        s.start()
        s.quiet(0.05)
        s.interrupt()
        equal(s.var("traps"), 0, "turns")


if __name__ == "__main__":
    raise SystemExit(main())
