#!/usr/bin/env python3
"""Debug registers: every split, later threads, conditions; thread-locals."""
import re
import struct

from rsp import (FALSE, OPTIONS, Session, Skip, case, check, equal, forms,
                 machine, main)

BOTH = "watching", "watching-i386"


def pieces(addr, size):
    """How many aligned powers of two up to 8 cover the range."""
    n = 0
    while size:
        p = 8
        while p > size or addr % p:
            p //= 2
        addr, size, n = addr + p, size - p, n + 1
    return n


def watch_span(name, start, size):
    with Session(name, "sizes") as s:
        s.run_to("begin")
        area = s.addr("area")
        s.point(2, area + start, size)
        for i in range(start + size - 1, start - 1, -1):
            stop = s.cont()
            check("watch" in stop.fields, "%d,%d: byte %d:" % (
                start, size, i), stop)
            at = int(stop.fields["watch"], 16)
            check(area + start <= at <= area + i, "address %#x" % at)
            equal(s.read(area + i, 1)[0], i + 1, "byte %d" % i)
        s.clear(2, area + start, size)
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case
def watch_aligned_spans():
    for start, size in (0, 1), (3, 1), (2, 2), (4, 4), (8, 8), (0, 16), \
            (8, 24), (0, 32):
        watch_span("watching", start, size)


@case
def watch_odd_spans():
    for start, size in (1, 3), (3, 5), (5, 8), (7, 2), (1, 7), (6, 20):
        if pieces(start, size) <= 4:
            watch_span("watching", start, size)


@case
def watch_spans_of_i386():
    for start, size in (0, 1), (2, 2), (4, 4), (0, 8), (0, 16), (3, 2):
        try:
            watch_span("watching-i386", start, size)
        except AssertionError as e:
            if "Z2" not in str(e):
                raise


@case
def four_watchpoints_and_no_fifth():
    for name in forms(BOTH):
        with Session(name, "sizes") as s:
            s.run_to("begin")
            area = s.addr("area")
            for i in range(4):
                s.point(2, area + 4 * i, 4)
            # What cannot be translated, or by the peer, has four.
            if OPTIONS.peer or name.endswith("i386"):
                check(s.try_point(2, area + 20, 4) != "OK", "a fifth")
            else:
                s.point(2, area + 32, 4)
            seen = [int(s.cont().fields["watch"], 16) - area
                    for _ in range(16)]
            # A register says which one of them it is, and code the byte.
            equal(seen, [12] * 4 + [8] * 4 + [4] * 4 + [0] * 4
                  if machine.debug_registers() else list(range(15, -1, -1)),
                  "hits")
            s.clear(2, area + 4, 4)
            s.point(2, area + 20, 4)
            s.clear(2, area + 20, 4)
            end = s.finish()
            equal((end.kind, end.number), ("W", 0), "end")


@case
def failed_insertion_leaves_nothing():
    """A span too long for what is left takes none of it."""
    with Session("watching-i386", "sizes") as s:
        s.run_to("begin")
        area = s.addr("area")
        s.point(2, area, 4)
        s.point(2, area + 8, 4)
        check(s.try_point(2, area + 1, 7) != "OK", "three in two")
        s.point(2, area + 16, 4)
        s.point(2, area + 24, 4)
        check("watch" in s.cont().fields, "no hit")


@case
def watch_in_later_threads():
    for name in forms(BOTH):
        with Session(name, "later") as s:
            s.run_to("begin")
            s.point(2, "area", 4)
            tids = set()
            for _ in range(4):
                stop = s.cont()
                check("watch" in stop.fields, stop)
                tids.add(stop.tid)
            check(s.pid not in tids and len(tids) >= 1, tids)
            s.clear(2, "area", 4)
            s.finish()


@case
def read_and_access_watchpoints():
    with Session("watching", "reads") as s:
        s.run_to("begin")
        s.point(4, "area")
        for _ in range(3):
            stop = s.cont()
            # gdbserver has it that what wrote is a watch.
            check("awatch" in stop.fields or OPTIONS.peer, stop)
        s.clear(4, "area")
        s.run_to("turn")
    if OPTIONS.peer:    # where a read watchpoint of x86 is refused
        return
    with Session("watching", "reads") as s:
        s.run_to("begin")
        s.point(3, "area")
        for _ in range(2):
            stop = s.cont()
            check("rwatch" in stop.fields, stop)
        equal(s.read(s.addr("area"), 1)[0], 5, "area")
        s.clear(3, "area")
        s.run_to("turn")


@case
def hardware_breakpoint_with_condition():
    for name in forms(BOTH):
        with Session(name, "turns", "200") as s:
            s.run_to("main")
            turns = s.addr("turns")
            text = "25%016x" % turns + "19" + "22%02x" % 150 + "13" + "27"
            s.point(1, "turn", rest=";X%x,%s" % (len(text) // 2, text))
            stop = s.cont()
            s.at("turn", stop)
            check("hwbreak" in stop.fields, stop)
            equal(s.var("turns"), 150, "turns")
            s.clear(1, "turn")
            s.finish()


@case
def hardware_breakpoint_never_true():
    for name in forms(BOTH):
        with Session(name, "turns", "1000") as s:
            s.run_to("main")
            s.point(1, "turn", rest=FALSE)
            end = s.finish()
            equal((end.kind, end.number), ("W", 0), "end")


def use_up_registers(s):
    """Four breakpoints that nobody meets."""
    for i in range(4):
        s.point(1, s.addr("main") + 0x10000000 + i)


def meet_breakpoint(s, where):
    stop = s.cont()
    s.at(where, stop)
    check("hwbreak" in stop.fields, stop)
    with open("/proc/%d/mem" % s.pid, "rb") as f:
        f.seek(s.addr(where))
        check(f.read(1) != b"\xcc", "the program's code was changed")


@case(peer="it has four")
def breakpoints_beyond_the_registers():
    """They are met as those of the registers are, and change no code."""
    with Session("calls", "3") as s:
        s.run_to("main")
        use_up_registers(s)
        for where in "work", "middle", "leaf":
            s.point(1, where)
        for i in range(3):
            for where in "work", "middle", "leaf":
                meet_breakpoint(s, where)
            equal(s.reg("rdi"), 10 * i + 1, "the argument")
            check("hwbreak" not in s.step().fields, "a step is none")
        held = 3 if machine.debug_registers() else 7
        check(";breakpoints_held=%d;" % held in s.packet("qTrace:stats"),
              "held")
        for where in "work", "middle":
            s.clear(1, where)
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


def counted(s, name):
    found = re.search(r"\b%s=([0-9]+)" % name, s.packet("qTrace:stats"))
    return int(found.group(1))


@case(peer="it has four")
def breakpoint_beyond_the_registers_is_stepped_over():
    """As gdb goes on: what was translated stays."""
    with Session("calls", "6") as s:
        s.run_to("main")
        if machine.debug_registers():
            use_up_registers(s)
        for i in range(6):
            s.point(1, "leaf")
            meet_breakpoint(s, "leaf")
            if i == 3:
                blocks = counted(s, "blocks")
            s.clear(1, "leaf")
            s.step()
        equal(counted(s, "threads"), 1, "it was followed so often")
        check(counted(s, "blocks") < blocks + 10, "translated again:", blocks,
              counted(s, "blocks"))
        equal(s.finish().number, 0, "end")


@case(peer="it has four")
def breakpoint_beyond_the_registers_in_a_range():
    """It is met there once: who goes on from it does not meet it again."""
    with Session("calls", "2") as s:
        s.run_to("main")
        use_up_registers(s)
        s.point(1, "leaf")
        s.run_to("middle")
        s.start("vCont;r%x,%x:%s;c" % (s.addr("leaf"), s.addr("main"),
                                       s.name(s.tid())))
        stop = s.wait()
        s.at("leaf", stop)
        check("hwbreak" in stop.fields, stop)
        meet_breakpoint(s, "leaf")
        equal(s.reg("rdi"), 11, "the next argument")
        s.clear(1, "leaf")
        equal(s.finish().number, 0, "end")


@case(peer="it has four")
def breakpoint_beyond_the_registers_beside_another():
    """Of two at one place each stops threads by itself."""
    with Session("calls", "3") as s:
        s.run_to("main")
        use_up_registers(s)
        for hard, soft, reason in ("", FALSE, "hwbreak"), \
                (FALSE, "", "swbreak"), ("", "", "swbreak"):
            s.point(0, "leaf", rest=soft)
            s.point(1, "leaf", rest=hard)
            stop = s.cont()
            s.at("leaf", stop)
            check(reason in stop.fields, hard, soft, stop)
            s.clear(0, "leaf")
            s.clear(1, "leaf")
            s.step()
        equal(s.finish().number, 0, "end")


@case(peer="it has four")
def no_more_watchpoints_than_there_is_room_for():
    """One that is there can be set again all the same."""
    with Session("calls", "1") as s:
        s.run_to("main")
        total = s.addr("total")
        reply, n = "OK", 0
        while reply == "OK":
            reply = s.try_point(2, total + 8 * n, 8)
            n += 1
        check("too many watchpoints" in reply, n, reply)
        equal(n, 255 if machine.debug_registers() else 251, "watchpoints")
        for i in 0, n - 2:
            s.point(2, total + 8 * i, 8)
        stop = s.cont()
        equal(int(stop.fields["watch"], 16), total, "the first")


@case
def watch_while_stepping():
    with Session("watching", "reads") as s:
        s.run_to("begin")
        s.point(2, "area")
        for _ in range(30):
            stop = s.step()
            if "watch" in stop.fields:
                break
        check("watch" in stop.fields, "no watch")
        equal(s.read(s.addr("area"), 1)[0], 5, "area")


def told(s, stop):
    kind = [k for k in ("watch", "hwbreak") if k in stop.fields]
    return kind, s.pc(), s.reg("rbx"), s.reg("rcx")


def word_and_breakpoints(beyond):
    """beyond: the watchpoint has no debug register."""
    with Session("manysteps") as s:
        at, behind = s.addr("adding"), s.addr("added")
        for points in (at,), (behind,), (at, behind):
            s.run_to("turn")
            others = range(4 - len(points)) if beyond else ()
            for where in points:
                s.point(1, where)
            for i in others:
                s.point(2, s.addr("word") + 0x1000 + 8 * i, 8)
            s.point(2, "word", 8)
            want = [(["hwbreak"], at)] * (at in points) + \
                [(["watch"], behind)] + \
                [(["hwbreak"], behind)] * (behind in points)
            equal([told(s, s.cont())[:2] for _ in want], want,
                  "at %s" % [hex(p) for p in points])
            s.clear(2, "word", 8)
            for i in others:
                s.clear(2, s.addr("word") + 0x1000 + 8 * i, 8)
            for where in points:
                s.clear(1, where)
        end = s.finish()
        equal((end.kind, end.number), ("W", 7), "end")


@case
def watchpoint_where_breakpoints_of_the_hardware_are():
    """At what writes, behind it, and both: each is told once. RF says that one
    was, SDM vol. 3, 17.3.1.1."""
    word_and_breakpoints(False)


@case(peer="gdbserver has four")
def watchpoint_of_no_register_where_breakpoints_are():
    word_and_breakpoints(True)


def turns_told(where):
    with Session("manysteps") as s:
        s.run_to("empty")
        s.point(2, "to", 4)
        for label in where:
            s.point(1, label)
        return [told(s, s.cont()) for _ in range(12)] + \
            [told(s, s.step()) for _ in range(12)]


@case(peer="gdbserver tells of less")
def watchpoint_of_a_repeated_string_with_breakpoints():
    """Each turn that is told of one, and no breakpoint again in between."""
    for where in (), ("copying",), ("copied",), ("copying", "copied"):
        got = turns_told(where)
        seen = [g for g in got if g[0] == ["hwbreak"] and g[1:2] == got[0][1:2]]
        equal(len(seen), len({g[2] for g in seen}), "told again")
        check(any(g[0] == ["watch"] for g in got), where, "no watch")
        follows, OPTIONS.follow = OPTIONS.follow, False
        try:
            equal(got, turns_told(where), "otherwise than natively: %s" %
                  (where,))
        finally:
            OPTIONS.follow = follows


def has_clzero():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        flags = next(line for line in f if line.startswith("flags"))
    return " clzero " in flags


@case
def line_that_is_cleared_by_its_address():
    """clzero, of AMD's processors; with more watched, where it can be, than
    debug registers have room for."""
    if not has_clzero():
        raise Skip("no clzero here")
    with Session("watching", "sizes") as s:
        s.run_to("begin")
        code, line = s.addr("main"), s.addr("area") | 63
        s.write(code, bytes.fromhex("0f01fc9090cc"))
        others = [at for at in range(line + 65, line + 113, 8)
                  if s.try_point(2, at, 8) == "OK"]
        if s.try_point(2, line - 7, 8) != "OK":
            for at in others:
                s.clear(2, at, 8)
            s.point(2, line - 7, 8)
        s.set_reg("rip", code)
        s.set_reg("rax", line - 20)
        stop = s.cont()
        check("watch" in stop.fields, "not told:", stop)
        equal(int(stop.fields["watch"], 16), line - 7, "what was written")
        equal(s.pc(), code + 3, "pc")


@case(peer="gdbserver needs the client's symbols")
def thread_locals_of_every_libc():
    """By the address that qGetTLSAddr gives for the executable's variable."""
    for name in forms(("watching", "watching-i386", "watching-static",
                       "watching-musl", "watching-static-musl")):
        try:
            with Session(name, "tls") as s:
                s.run_to("begin")
                equal(tls_int(s, name), 42, name)
                s.run_to("writer")
                stop = s.run_to("begin")
                check(stop.tid != s.pid, name, "no thread")
                equal(tls_int(s, name), 42, name)
        except AssertionError as e:
            raise AssertionError("%s: %s" % (name, e))


def tls_int(s, name):
    offset = s.elf.symbols["own"]
    lm = 0
    if "static" not in name:
        lm = int(s.xfer("libraries-svr4").decode()
                 .split('main-lm="0x')[1].split('"')[0], 16)
    reply = s.packet("qGetTLSAddr:%s,%x,%x" % (s.name(s.tid()), offset, lm))
    check(reply[:1] != "E" and reply, "qGetTLSAddr:", reply)
    return struct.unpack("<i", s.read(int(reply, 16), 4))[0]


if __name__ == "__main__":
    raise SystemExit(main())
