#!/usr/bin/env python3
"""Call probes and transformer rules: what they collect, count, skip, stop at
and set, with agent expressions; and how mistakes are answered."""
import re

from qtracing import followed, refused, trace
from rsp import Session, case, check, equal, main

OURS = "it does not translate"
RDI, RAX, RSP = 5, 0, 7         # gdb's numbers


# --- agent expressions, as gdb compiles them ---------------------------------

def reg(n):
    return "26%04x" % n


def const(v):
    return "25%016x" % (v & (1 << 64) - 1)


END, ADD, EQUAL, REF64, LESS, NOT, DIV = "27", "02", "13", "1a", "14", "0e", \
    "05"


def x(*code):
    text = "".join(code) + END
    return "X%x,%s" % (len(text) // 2, text)


def rules(s):
    """{id: [words]}"""
    out = {}
    for part in s.packet("qTrace:rules").split(";"):
        if part:
            head, _, rest = part.partition(",")
            out[int(head.removeprefix("id="), 16)] = rest
    return out


def values(s):
    """[(rule, tid, pc, [value or None])]"""
    out = []
    for line in s.xfer("qtrace", "probes").decode().splitlines():
        if line[0] != "#":
            w = line.split()
            out.append((int(w[0], 16), int(w[1]), int(w[2], 16),
                        [None if v == "?" else int(v, 16) for v in w[3:]]))
    return out


def added(s, text):
    reply = s.packet("qTrace:" + text)
    found = re.fullmatch("id=([0-9a-f]+);", reply)
    check(found, text, "is answered", reply)
    return int(found[1], 16)


def hits(s, number):
    return int(re.search("hits=([0-9a-f]+)", rules(s)[number])[1], 16)


# --- probes -------------------------------------------------------------------

@case(peer=OURS)
def a_probe_collects_at_each_hit():
    with followed("calls", "5") as s:
        leaf = s.addr("leaf")
        n = added(s, "probe:%x;%s;%s;%s" % (
            leaf, x(reg(RDI)), x(reg(RDI), const(1), ADD),
            x(reg(RSP), REF64)))
        s.run_to("done")
        got = values(s)
        equal([v[:3] for v in got], [(n, s.pid, leaf)] * 5, "who and where")
        equal([v[3][:2] for v in got],
              [[i * 10 + 1, i * 10 + 2] for i in range(5)], "values")
        back = {v[3][2] for v in got}
        equal(len(back), 1, "one return address")
        middle = s.addr("middle")
        check(middle < back.pop() < middle + s.elf.sizes["middle"], "callers")
        equal(rules(s)[n], "probe,%x,1,hits=5,failed=0" % leaf, "rules")
        s.finish()
        equal(values(s), got, "after the end")
        check(s.printed().startswith("total 105 "), s.printed())


@case(peer=OURS)
def when_says_which_hits_count():
    with followed("calls", "100") as s:
        n = added(s, "probe:%x;%s;when=%s" % (
            s.addr("leaf"), x(reg(RDI)), x(reg(RDI), const(501), EQUAL)))
        s.finish()
        equal([v[3] for v in values(s)], [[501]], "values")
        equal(hits(s, n), 1, "hits")


@case(peer=OURS)
def what_cannot_be_evaluated_is_a_failure():
    with followed("calls", "4") as s:
        leaf = s.addr("leaf")
        n = added(s, "probe:%x;%s;%s" % (leaf, x(const(16), REF64),
                                         x(reg(RDI))))
        m = added(s, "probe:%x;when=%s" % (leaf, x(const(16), REF64)))
        k = added(s, "probe:%x;%s" % (leaf, x(reg(RDI), const(0), DIV)))
        s.finish()
        equal([v[3] for v in values(s) if v[0] == n],
              [[None, i * 10 + 1] for i in range(4)], "values")
        equal(rules(s)[n].split(",hits=")[1], "4,failed=4", "a value")
        equal(rules(s)[m].split(",hits=")[1], "0,failed=4", "when")
        equal([v[3] for v in values(s) if v[0] == k], [[None]] * 4, "by 0")
        check(s.printed().startswith("total 64 "), s.printed())


@case(peer=OURS)
def probes_may_be_set_before_it_is_followed():
    with Session("calls", "3") as s:
        s.run_to("main")
        n = added(s, "probe:%x" % s.addr("leaf"))
        trace(s, "follow:-1")
        s.run_to("done")
        equal(hits(s, n), 3, "hits")


@case(peer=OURS)
def unprobe_ends_it():
    with followed("calls", "9") as s:
        leaf = s.addr("leaf")
        n, m = added(s, "probe:%x" % leaf), added(s, "probe:%x" % leaf)
        s.run_to("leaf")
        refused(s, "untransform:%x" % n, "no rule %x" % n)
        trace(s, "unprobe:%x" % n)
        refused(s, "unprobe:%x" % n, "no probe %x" % n)
        equal(set(rules(s)), {m}, "rules")
        s.finish()
        equal(hits(s, m), 9, "hits")


@case(peer=OURS, seconds=60)
def a_full_store_of_values_says_what_is_lost():
    for full in "wrap", "stop":
        with followed("calls", "500",
                      how=";events=ret;buffer=4k;full=" + full) as s:
            added(s, "probe:%x;%s;%s" % (s.addr("leaf"), x(reg(RDI)),
                                         x(reg(RDI))))
            s.finish()
            got = values(s)
            lost = re.match(r"# lost (\d+)\n",
                            s.xfer("qtrace", "probes").decode())
            equal(int(lost[1]) + len(got), 500, full)
            check(len(got) > 50, len(got))
            ends = got[0][3][0], got[-1][3][0]
            equal(ends[full == "wrap"], 4991 if full == "wrap" else 1, full)


@case(peer=OURS, seconds=60)
def threads_are_told_apart():
    with followed("threads", "20") as s:
        n = added(s, "probe:%x;%s" % (s.addr("in_thread"), x(reg(RDI))))
        s.finish(30)
        got = values(s)
        equal(sorted(v[3][0] for v in got), list(range(1, 21)), "values")
        equal(len({v[1] for v in got}), 20, "threads")
        equal(hits(s, n), 20, "hits")


# --- rules --------------------------------------------------------------------

def in_function(s, name):
    return "%x,%x" % (s.addr(name), s.elf.sizes[name])


@case(peer=OURS)
def instructions_are_counted_by_mnemonic_and_group():
    with followed("calls", "3") as s:
        leaf = in_function(s, "leaf")
        every = added(s, "transform:%s;count" % leaf)
        ret = added(s, "transform:%s&mnemonic=ret;count" % leaf)
        group = added(s, "transform:group=ret&%s;count" % leaf)
        calls = added(s, "transform:%s&group=call;count" % in_function(
            s, "middle"))
        some = added(s, "transform:%s&mnemonic=ret;count;when=%s" % (
            leaf, x(reg(RAX), const(22), EQUAL)))
        s.run_to("done")
        equal([hits(s, n) for n in (ret, group, calls, some)], [3, 3, 3, 1],
              "hits")
        check(hits(s, every) > 9 and hits(s, every) % 3 == 0, rules(s))
        trace(s, "untransform:%x" % every)


@case(peer=OURS)
def instructions_are_skipped():
    for when, total in (("", 0), (";when=" + x(reg(RDI), const(11), EQUAL),
                                  1 + 21)):
        with followed("calls", "3") as s:
            middle = in_function(s, "middle")
            n = added(s, "transform:%s&group=call;skip%s" % (middle, when))
            s.finish()
            check(s.printed().startswith("total %d " % total), s.printed())
            if when:
                equal(hits(s, n), 1, "hits")


@case(peer=OURS)
def registers_are_set():
    with followed("calls", "3") as s:
        n = added(s, "transform:%x,1;set,rdi,%s;when=%s" % (
            s.addr("leaf"), x(reg(RDI), const(100), ADD),
            x(const(10), reg(RDI), LESS)))
        s.finish()
        equal(hits(s, n), 2, "hits")
        check(s.printed().startswith("total 233 "), s.printed())


@case(peer=OURS)
def a_thread_is_stopped_and_goes_on():
    with followed("calls", "3") as s:
        leaf = s.addr("leaf")
        n = added(s, "transform:%x,1;stop;when=%s" % (
            leaf, x(const(1), reg(RDI), LESS)))
        for want in 11, 21:
            stop = s.cont()
            equal((stop.kind, stop.number), ("T", 5), "stop")
            equal((s.pc(), s.reg("rdi")), (leaf, want), "where")
        s.finish()
        equal(hits(s, n), 2, "hits")
        check(s.printed().startswith("total 33 "), s.printed())


@case(peer=OURS)
def a_thread_that_was_stopped_is_stepped():
    with followed("calls", "3") as s:
        leaf = s.addr("leaf")
        added(s, "transform:%x,1;stop" % leaf)
        s.cont()
        s.step()
        check(s.pc() != leaf and s.pc() - leaf < 15, hex(s.pc()))
        s.cont()
        equal((s.pc(), s.reg("rdi")), (leaf, 11), "where")


@case(peer=OURS)
def values_are_collected_by_rules_too():
    with followed("calls", "3") as s:
        n = added(s, "transform:%s&group=ret;collect;%s" % (
            in_function(s, "leaf"), x(reg(RAX))))
        s.finish()
        equal([(v[0], v[3]) for v in values(s)],
              [(n, [2]), (n, [22]), (n, [42])], "values")


@case(peer=OURS)
def mistakes_are_named():
    with Session("calls") as s:
        for text, why in (
                ("probe:", "ADDR in hex"), ("probe:zz", "ADDR in hex"),
                ("probe:1000,5", "ADDR in hex"),
                ("probe:1000;5", "an expression is X"),
                ("probe:1000;X2,27", "an expression is X"),
                ("probe:1000;X1,ff", "byte|opcode|bytecode"),
                ("probe:1000;when=X1,27;when=X1,27", "an expression is X"),
                ("probe:1000" + 17 * (";" + x(reg(0))), "16 expressions"),
                ("unprobe:", "ID in hex"), ("unprobe:77", "no probe 77"),
                ("transform:", "which instructions"),
                ("transform:1000;count", "which instructions"),
                ("transform:mnemonic=;count", "no such mnemonic"),
                ("transform:mnemonic=movee;count", "no such mnemonic"),
                ("transform:group=calls;count", "no such group"),
                ("transform:group=call", "what is to be done"),
                ("transform:group=call;jump", "what is to be done"),
                ("transform:group=call;set", "set,REG"),
                ("transform:group=call;set,rxx," + x(reg(0)), "called rxx"),
                ("transform:group=call;set,ymm0," + x(reg(0)), "called ymm0"),
                ("transform:group=call;count;" + x(reg(0)), ";when="),
                ("untransform:1", "no rule 1"),
                ("rules:1", "takes no arguments")):
            refused(s, text, why)
        equal(s.packet("qTrace:rules"), "", "rules")


if __name__ == "__main__":
    raise SystemExit(main())
