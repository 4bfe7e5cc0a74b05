#!/usr/bin/env python3
"""Tracepoints: what is collected, and how it is found."""
import re
import struct

from rsp import case, check, equal, main
from tracepoint_client import BETTER, Traced, both, const, expression


@both
def collects_registers_and_memory():
    with Traced("calls", "5") as s:
        total = s.addr("total")
        s.trace(1, "leaf", ["R" + "f" * 6, "M-1,%x,8" % total])
        s.run_to("main")
        s.tstart()
        s.run_to("done")
        equal(s.hits(1, "leaf"), 5, "hits")
        s.ok("QTStop")
        at_done = s.reg("rip")
        for i in range(5):
            equal(s.frame("%x" % i), (i, 1), "frame")
            equal(s.reg("rdi"), i * 10 + 1, "rdi")
            equal(s.pc(), s.addr("leaf"), "pc")
            equal(s.var("total", 8), sum(n * 10 + 1 for n in range(i)),
                  "total")
            check(s.packet("m%x,4" % s.addr("main"))[0] == "E",
                  "memory that was not collected")
        info = s.xfer("traceframe-info").decode()
        check('start="0x%x" length="0x8"' % total in info, info)
        equal(s.frame("5"), None, "one more")
        equal(s.packet("QTFrame:-1"), "OK", "no frame")
        equal(s.reg("rip"), at_done, "rip of the program")


@both
def frames_are_found():
    with Traced("calls", "4") as s:
        s.trace(1, "leaf")
        s.trace(2, "middle")
        s.run_to("main")
        s.tstart()
        s.run_to("done")
        s.ok("QTStop")
        leaf, middle = s.addr("leaf"), s.addr("middle")
        equal(s.frame("tdp:1"), (1, 1), "the first of 1")
        equal(s.frame("tdp:1"), (3, 1), "the next")
        equal(s.frame("pc:%x" % middle), (4, 2), "by pc")
        equal(s.frame("range:%x:%x" % (leaf, leaf)), (5, 1), "range")
        equal(s.frame("outside:%x:%x" % (leaf, leaf)), (6, 2), "outside")
        equal(s.frame("tdp:9"), None, "no such")
        equal(s.frame("tdp:1"), (7, 1), "where it was")
        equal(s.frame("tdp:1"), None, "the end")


@case(peer=BETTER)
def the_pc_is_known_without_registers():
    with Traced("calls", "1") as s:
        s.trace(1, "leaf")
        s.run_to("main")
        s.tstart()
        s.run_to("done")
        s.ok("QTStop")
        equal(s.frame("0"), (0, 1), "frame")
        regs = s.packet("g")
        begin, end = s.span("rip")
        equal(int.from_bytes(bytes.fromhex(regs[begin:end]), "little"),
              s.addr("leaf"), "pc")
        equal(set(regs[:begin]), {"x"}, "what is not known")
        check(s.packet("P10=" + 16 * "0")[0] == "E", "a frame is changed")


@case
def steps_are_collected():
    with Traced("calls", "2") as s:
        s.run_to("main")
        s.trace(1, "leaf", ["R" + "f" * 6], ["R" + "f" * 6], count=3)
        s.tstart()
        s.run_to("done")
        s.ok("QTStop")
        equal(int(s.status()[1]["tframes"], 16), 8, "frames")
        pcs = []
        for i in range(8):
            equal(s.frame("%x" % i), (i, 1), "frame")
            pcs.append(s.pc())
        equal(pcs[:4], pcs[4:], "the way")
        equal(pcs[0], s.addr("leaf"), "its begin")
        equal(len(set(pcs[:4])), 4, "places")


@both
def full_or_circular():
    for circular in 0, 1:
        with Traced("calls", "50") as s:
            s.ok("QTBuffer:size:1000")
            s.ok("QTBuffer:circular:%d" % circular)
            s.run_to("main")
            s.trace(1, "leaf", ["R" + "f" * 6])
            s.tstart()
            s.run_to("done")
            running, fields = s.status()
            equal(running, "T%d" % circular, "running")
            equal(fields.get("tfull"), None if circular else "0", "full")
            s.ok("QTStop")
            n = int(fields["tframes"], 16)
            check(0 < n < 50, "frames", n)
            equal(int(fields["tcreated"], 16), 50 if circular else n,
                  "created")
            equal(s.frame("%x" % (n - 1)), (n - 1, 1), "the last")
            equal(s.reg("rdi"), (49 if circular else n - 1) * 10 + 1, "rdi")


@case(peer=BETTER)
def memory_that_is_not_there():
    """... is not in the frame, and the rest is."""
    with Traced("calls", "3") as s:
        s.run_to("main")
        total = s.addr("total")
        s.trace(1, "leaf", ["M-1,10,8", "M-1,%x,8" % total])
        s.tstart()
        s.run_to("done")
        s.ok("QTStop")
        equal(s.frame("0"), (0, 1), "frame")
        equal(s.xfer("traceframe-info").decode().count("<memory"), 1, "blocks")


@both
def memory_that_is_there_in_part():
    """Each range is in the frame as far as it can be read, before a hole and
    behind it, and what cannot keeps no other out."""
    hole, there = 0x10002000, 0x10003000
    with Traced("maps") as s:
        s.run_to("main")
        edge = s.addr("edge")
        two = ("25%016x" % (hole - 3) + const(16) + "0c" +
               "25%016x" % edge + const(8) + "0c27")
        s.trace(1, "ready", [
            "M-1,10,8", "M-1,%x,20" % (hole - 13), "M-1,%x,2000" % (hole - 77),
            "M-1,%x,8" % edge, "M-1,%x,ff0" % hole, expression(two),
            "M-1,%x,8" % (hole - 200)])
        s.tstart()
        s.run_to("ready")
        s.ok("QTStop")
        equal(s.frame("0"), (0, 1), "frame")
        equal([(int(a, 16), int(b, 16)) for a, b in re.findall(
            r'<memory start="0x([0-9a-f]+)" length="0x([0-9a-f]+)"',
            s.xfer("traceframe-info").decode())],
            [(hole - 13, 13), (hole - 77, 77), (there, 0x1000 - 77), (edge, 8),
             (hole - 3, 3), (edge, 8), (hole - 200, 8)], "blocks")
        equal(s.read(hole - 77, 77),
              bytes(i * 7 & 0xff for i in range(8192 - 77, 8192)), "bytes")
        equal(s.var("edge", 8), 0x10000000, "the pointer")


@both
def variables():
    with Traced("calls", "5") as s:
        s.run_to("main")
        s.ok("QTDV:2:a:0:" + b"count".hex())
        add = "2c0002" + const(1) + "022d0002" + "2e0002" + "2927"
        s.trace(1, "leaf", [expression(add)])
        s.tstart()
        equal(s.packet("qTV:2"), "Va", "at first")
        s.run_to("done")
        equal(s.packet("qTV:2"), "Vf", "after")
        equal(s.packet("qTV:77"), "U", "no such")
        s.ok("QTStop")
        s.frame("1")
        equal(s.packet("qTV:2"), "Vc", "in a frame")


@both
def raw_frames():
    with Traced("calls", "3") as s:
        s.run_to("main")
        s.trace(0x12, "leaf", ["M-1,%x,8" % s.addr("total")])
        s.tstart()
        s.run_to("done")
        s.ok("QTStop")
        data = bytes.fromhex(s.packet("qTBuffer:0,1000"))
        size = 1 + 8 + 2 + 8
        equal(len(data), 3 * (6 + size), "bytes")
        for i in range(3):
            number, n, kind, addr, length = struct.unpack_from(
                "<HIcQH", data, i * (6 + size))
            equal((number, n, kind, addr, length),
                  (0x12, size, b"M", s.addr("total"), 8), "frame")
        equal(s.packet("qTBuffer:%x,10" % len(data)), "l", "the end")


if __name__ == "__main__":
    raise SystemExit(main())
