#!/usr/bin/env python3
"""qTrace about code: what a block has become of, all blocks, threads; where
control goes instead, and functions that threads are made to run."""
import re
import subprocess

from qtracing import followed, refused, stats, trace
from rsp import FALSE, Session, case, check, equal, main

OURS = "it does not translate"


class Block:
    """The answer to qTrace:block."""

    def __init__(self, s, where):
        self.text = s.packet("qTrace:block:%x" % s.addr(where))
        check(self.text[:2] != "E.", self.text)
        head, _, rest = self.text.partition("\n")
        self.head = dict(x.split("=", 1) for x in head.split(";") if x)
        rest, _, translated = rest.partition("translated:\n")
        self.original = self.lines(rest.removeprefix("original:\n"))
        self.translated = self.lines(translated)

    @staticmethod
    def lines(text):
        """[(address, bytes, text)]"""
        words = [x.split(" ", 2) for x in text.splitlines()]
        return [(int(w[0], 16), bytes.fromhex(w[1]), w[2]) for w in words]

    def num(self, key):
        return int(self.head[key], 16)


def objdump(s, lo, n):
    """Addresses of instructions."""
    base = s.addr("main") - s.elf.symbols["main"]
    text = subprocess.run(
        ["objdump", "-d", "--start-address=%#x" % (lo - base),
         "--stop-address=%#x" % (lo - base + n), s.path],
        capture_output=True, check=True).stdout.decode()
    return [int(m[1], 16) + base
            for m in re.finditer(r"^ +([0-9a-f]+):\t[0-9a-f]{2} .*\t", text,
                                 re.M)]


@case(peer=OURS)
def a_block_is_shown():
    with followed("calls", "3", how=";mode=count") as s:
        s.run_to("done")
        b = Block(s, "middle")
        middle, leaf = s.addr("middle"), s.addr("leaf")
        equal(b.num("pc"), middle, "pc")
        equal(b.num("hits"), 3, "hits")
        equal(b.head["end"], "call", "end")
        equal(b.head["flags"], "", "flags")
        equal(b.head["module"], s.path, "module")
        equal(b.num("offset"), s.elf.symbols["middle"], "offset")
        length = b.num("length")
        equal([int(x, 16) for x in b.head["successors"].split(",")],
              [leaf, middle + length], "successors")
        equal(b"".join(x[1] for x in b.original), s.read(middle, length),
              "bytes")
        equal([x[0] for x in b.original], objdump(s, middle, length),
              "instructions")
        equal(len(b.original), b.num("instructions"), "instructions")
        check(b.original[0][2].startswith("push"), b.original)
        check(b.original[-1][2].startswith("call"), b.original)
        equal(b.translated[0][0], b.num("cache"), "where it is")
        equal(sum(len(x[1]) for x in b.translated), b.num("cache-length"),
              "bytes")
        # The call becomes a push of the original return address.
        check(any("push" in x[2] for x in b.translated), b.translated)


@case(peer=OURS)
def a_block_of_a_return_has_no_successor():
    with followed("calls", "3", how=";mode=count") as s:
        s.run_to("done")
        b = Block(s, "leaf")
        equal((b.head["end"], b.head["successors"]), ("return", ""), "end")


@case(peer=OURS)
def an_address_within_a_block_is_found():
    with followed("calls", "3") as s:
        s.run_to("done")
        b = Block(s, s.addr("leaf") + 1)
        equal(b.num("pc"), s.addr("leaf"), "pc")
        check("hits" not in b.head, "nothing is counted")


@case(peer=OURS)
def what_was_not_translated_is_not_shown():
    with Session("calls", "3") as s:
        refused(s, "block:1000", "not followed")
        refused(s, "blocks", "not followed")
        s.run_to("main")
        trace(s, "follow:-1")
        refused(s, "block:%x" % s.addr("leaf"), "prefetch it")
        refused(s, "block:zz", "ADDR in hex")
        trace(s, "prefetch:%x" % s.addr("leaf"))
        equal(Block(s, "leaf").num("pc"), s.addr("leaf"), "pc")


@case(peer=OURS)
def blocks_are_listed():
    with followed("calls", "3", how=";mode=count") as s:
        s.run_to("done")
        lo, n = s.addr("leaf"), s.elf.sizes["leaf"]
        text = s.packet("qTrace:blocks:%x,%x" % (lo, n))
        equal(text, "blocks=1;%x,%x,%x,3;" % (
            lo, n, len(objdump(s, lo, n))), "blocks")
        words = s.packet("qTrace:blocks").rstrip(";").split(";")
        equal(int(words[0].removeprefix("blocks="), 16), len(words) - 1, "all")
        check("%x" % lo in [w.split(",")[0] for w in words[1:]], words)
        refused(s, "blocks:1", "ADDR,LEN in hex")


@case(peer=OURS)
def threads_are_listed():
    with Session("threads", "2") as s:
        s.run_to("all_there")
        name = s.name(s.pid)
        check(name + ",not-followed;" in s.packet("qTrace:threads"), "before")
        trace(s, "follow:-1;events=call,ret")
        text = s.packet("qTrace:threads")
        found = re.findall(r"p[0-9a-f]+\.[0-9a-f]+,followed,trace,original,"
                           r"depth=0;", text)
        equal(len(found), 3, text)
        refused(s, "threads:1", "takes no arguments")


@case(peer=OURS)
def control_is_redirected():
    with followed("calls", "3") as s:
        leaf, factorial = s.addr("leaf"), s.addr("factorial")
        trace(s, "redirect:%x,%x" % (leaf, factorial))
        s.run_to("middle")
        check("redirected" not in Block(s, "main").head["flags"], "main")
        stop = s.run_to("done")
        trace(s, "redirect:%x,%x" % (leaf, leaf))
        equal(s.var("total", 8), 0, "leaf was not called")
        refused(s, "redirect:%x" % leaf, "FROM,TO")
        refused(s, "redirect:%x,0" % leaf, "FROM,TO")
        check(stop, "done")


@case(peer=OURS)
def what_is_not_followed_is_not_redirected():
    with Session("calls") as s:
        for text in "redirect:1,2", "activate", "deactivate":
            refused(s, text, "not followed")


def leaf_called(s, name, how=""):
    """qTrace:run of leaf(5): it adds 5 to total and returns 10."""
    before = s.var("total", 8)
    regs = s.all_regs()
    trace(s, "run:%s;%x,5" % (name, s.addr("leaf")), "value=a;")
    equal(s.var("total", 8) - before, 5, "total" + how)
    equal(s.all_regs(), regs, "registers" + how)


@case(peer=OURS)
def a_thread_runs_a_function():
    with Session("calls", "3") as s:
        s.run_to("main")
        leaf_called(s, s.name(s.pid), ", natively")
        trace(s, "follow:-1")
        leaf_called(s, s.name(s.pid), ", followed")
        leaf_called(s, "0", ", by 0")
        s.run_to("done")
        s.finish()
        # 1 + 11 + 21 of the program's own.
        check(s.printed().startswith("total 48 "), s.printed())


@case(peer=OURS)
def what_cannot_be_run_says_so():
    with Session("calls", "3") as s:
        s.run_to("main")
        for text, why in (("run:-1;1000", "which thread"),
                          ("run:7fffffff;1000", "no such thread"),
                          ("run:0", "which function"),
                          ("run:0;1000,1,2,3,4,5,6,7", "up to 6")):
            refused(s, text, why)


@case(peer=OURS)
def a_function_that_is_stopped_comes_back():
    with followed("calls", "3") as s:
        s.point(0, "leaf")
        refused(s, "run:0;%x,5" % s.addr("leaf"), "stopped in the function")
        equal(s.packet("?")[:3], "T05", "?")
        equal(hex(s.pc()), hex(s.addr("leaf")), "pc")
        s.clear(0, "leaf")
        s.run_to("done")
        equal(s.var("total", 8), 33 + 5, "total")
        s.finish()


@case(peer=OURS)
def a_function_that_does_not_end_is_given_up():
    with followed("calls", "3") as s:
        before = s.all_regs()
        spin = s.addr("done")
        code = s.read(spin, 2)
        s.write(spin, b"\xeb\xfe")
        reply = s.packet("qTrace:run:0;%x" % spin, 20)
        check("not within 10 seconds" in reply, reply)
        s.write(spin, code)
        equal(s.all_regs(), before, "registers")
        s.finish()


@case(peer=OURS)
def translated_code_is_left_and_entered_again():
    with followed("calls", "3", how=";mode=count") as s:
        s.run_to("work")
        trace(s, "deactivate")
        before = stats(s)["entries"]
        s.run_to("done")
        equal(stats(s)["entries"], before, "entries while it is not active")
        trace(s, "activate")
        s.finish()
        check(stats(s)["entries"] > before, "entries")


@case(peer=OURS)
def flags_outlast_a_flush():
    """Who is within a call then returns with flags, by landings that are new."""
    with followed("keeping") as s:
        s.run_to("carry_made")
        trace(s, "flush")
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case(peer=OURS)
def no_point_is_taken_that_some_threads_would_not_meet():
    with Session("counting", "3") as s:
        s.run_to("all_there")
        trace(s, "follow:p%x.%x;births=0" % (s.pid, s.tids()[1]))
        taken = [s.try_point(1, s.addr("unused") + i) for i in range(5)]
        check(taken[4][:1] == "E", taken)
        trace(s, "unfollow")
        s.point(1, s.addr("unused") + 4)


@case(peer=OURS)
def flags_of_calls_from_before():
    """Who is followed within a call returns with flags, too."""
    with Session("keeping") as s:
        s.run_to("carry_made")
        trace(s, "follow")
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case(peer=OURS)
def flags_of_a_return_that_is_a_jump():
    with followed("keeping", "jump") as s:
        end = s.finish()
        equal((end.kind, end.number), ("W", 0), "end")


@case(peer=OURS)
def code_that_has_points_to_meet_stays_active():
    with followed("calls", "3") as s:
        s.run_to("main")
        for i in range(4):
            s.point(1, s.addr("main") + 0x10000000 + i)
        s.point(1, "leaf")
        reply = s.packet("qTrace:deactivate")
        check("take them out first" in reply, reply)
        s.at("leaf", s.cont())
        for i in range(4):
            s.clear(1, s.addr("main") + 0x10000000 + i)
        s.clear(1, "leaf")
        trace(s, "deactivate")
        for i in range(4):
            s.try_point(1, s.addr("main") + 0x10000000 + i)
        check(s.try_point(1, "leaf").startswith("E"), "it would not be met")
        trace(s, "activate")
        s.point(1, "leaf")
        s.at("leaf", s.cont())
        s.clear(1, "leaf")
        s.finish()


@case(peer=OURS)
def a_breakpoint_that_is_gone_takes_no_stops():
    """In the middle of what was a block."""
    with followed("watching", "turns", "100000") as s:
        turn = s.addr("turn")
        s.run_to(turn)
        s.step()
        middle = s.pc()
        s.step()
        for kind, rest in (0, ""), (1, ""), (0, FALSE):
            s.point(kind, middle, 1, rest)
            if not rest:
                s.at(middle, s.cont())
            s.clear(kind, middle)
        s.finish()
        check(stats(s)["stops"] < 1000, stats(s))


if __name__ == "__main__":
    raise SystemExit(main())
