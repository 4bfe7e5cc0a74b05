#!/usr/bin/env python3
"""Call probes and transformer rules: what they collect, count, skip, stop at
and set, with agent expressions; and how mistakes are answered."""
import os
import random
import re
import signal

from qtracing import NonStop, followed, refused, stats, trace
from rsp import Session, case, check, equal, main, until

OURS = "it does not translate"
RDI, RAX, RSP, RSI = 5, 0, 7, 4         # gdb's numbers
SETTABLE = ("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 "
            "r15").split()


# --- agent expressions, as gdb compiles them ---------------------------------

def reg(n):
    return "26%04x" % n


def const(v):
    return "25%016x" % (v & (1 << 64) - 1)


END, ADD, SUB, MUL, EQUAL, REF64, LESS, NOT, DIV, AND = \
    "27", "02", "03", "04", "13", "1a", "14", "0e", "05", "0f"


def x(*code):
    text = "".join(code) + END
    return "X%x,%s" % (len(text) // 2, text)


def by_server(code):
    """... and with more of it than is compiled, that changes nothing."""
    return x(code, "2829" * 48)


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


def by_thread(s, rule):
    """{tid: [[value]]}"""
    out = {}
    for v in values(s):
        if v[0] == rule:
            out.setdefault(v[1], []).append(v[3])
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


@case(peer=OURS, seconds=60)
def values_are_collected_without_stops():
    """As the server collects them: of each thread, in its order."""
    with followed("turns", "4", "2000") as s:
        what = reg(RDI), reg(RSI), reg(RSI) + const(3) + MUL + reg(RDI) + SUB
        turn = s.addr("turn")
        n = added(s, "probe:%x;%s" % (turn, ";".join(map(x, what))))
        s.finish()
        ours = by_thread(s, n)
        after = stats(s)
        equal(len(ours), 4, "threads")
        for got in ours.values():
            thread = got[0][0]
            equal(got, [[thread, i, 3 * i - thread & 2 ** 64 - 1]
                        for i in range(2000)], "values")
        equal((after["callouts"], after["collects_called"]), (0, 0), "stops")
        equal(after["collects"], 8000, "collected")
        check(after["actions"] and not after["actions_called"], "compiled")
        equal(rules(s)[n], "probe,%x,1,hits=1f40,failed=0" % turn, "rules")
    with followed("turns", "4", "200") as s:
        k = added(s, "probe:%x;%s" % (s.addr("turn"),
                                      ";".join(map(by_server, what))))
        m = added(s, "probe:%x;%s" % (s.addr("turn"), ";".join(map(x, what))))
        s.finish(60)
        equal(by_thread(s, k), by_thread(s, m), "the server's")
        equal(stats(s)["callouts"], 800, "stops")
        # each thread's come one by one, of both
        for tid in by_thread(s, k):
            equal([v[0] for v in values(s) if v[1] == tid], 200 * [k, m],
                  "order")


@case(peer=OURS, seconds=60)
def values_are_there_while_it_runs_and_after_its_rule():
    with followed("calls", "300") as s:
        leaf = s.addr("leaf")
        n = added(s, "probe:%x;%s" % (leaf, x(reg(RDI))))
        m = added(s, "probe:%x;%s" % (leaf, x(reg(RDI), const(1), ADD)))
        s.run_to("done")
        trace(s, "unprobe:%x" % n)
        s.finish()
        for rule, more in (n, 1), (m, 2):
            equal(by_thread(s, rule)[s.pid],
                  [[10 * i + more] for i in range(300)], "values")


@case(peer=OURS, seconds=60)
def rules_come_and_go_while_it_runs():
    often = x(reg(RSI), const(0xffff), AND, NOT)
    with NonStop("turns", "2", "1000000000000") as s:
        turn = s.addr("turn")
        trace(s, "follow:-1")
        equal(s.packet("vCont;c"), "OK", "vCont")
        m = added(s, "transform:%x,1;count" % turn)
        n = added(s, "probe:%x;%s;when=%s" % (turn, x(reg(RSI)), often))
        check(until(lambda: hits(s, n) > 9 and len(by_thread(s, n)) == 2, 20),
              "nothing is collected")
        check(hits(s, m) > 0, "counted")
        trace(s, "unprobe:%x" % n)
        got = by_thread(s, n)
        for mine in got.values():
            first = mine[0][0]
            equal([v[0] for v in mine],
                  [first + (i << 16) for i in range(len(mine))], "values")
        before = hits(s, m)
        check(until(lambda: hits(s, m) > before + 1000000, 20), "it stands")
        equal(by_thread(s, n), got, "values")
        equal(stats(s)["callouts"], 0, "stops")


@case(peer=OURS, seconds=60)
def a_sigkill_loses_no_value():
    with followed("turns", "2", "1000") as s:
        n = added(s, "probe:%x;%s" % (s.addr("turn"), x(reg(RSI))))
        k = added(s, "transform:%x,1;stop;when=%s" % (
            s.addr("turn"), x(reg(RSI), const(10), MUL, reg(RDI), ADD,
                              const(9001), EQUAL)))
        s.cont()
        tid = s.tid()
        os.kill(s.pid, signal.SIGKILL)
        s.start()
        equal(s.wait().kind, "X", "killed")
        equal([v[0] for v in by_thread(s, n)[tid]], list(range(901)), k)


@case(peer=OURS, seconds=100)
def registers_are_set_without_stops():
    """Each of them, to what the server would set them to."""
    for number, name in enumerate(SETTABLE):
        got = []
        for make in x, by_server:
            with followed("calls", "3") as s:
                at = s.addr("leaf")
                e = reg(number) + const(0) + ADD
                if name in ("rcx", "r8", "r9", "r10", "r11"):
                    e = reg(RDI) + const(1000) + MUL
                n = added(s, "transform:%x,1;set,%s,%s" % (at, name, make(e)))
                m = added(s, "transform:%x,1;collect;%s;%s;%s" % (
                    at, x(reg(number)), x(reg(RDI)), x(reg(RAX))))
                s.finish()
                got.append([v[3] for v in values(s)])
                equal(hits(s, n), 3, name)
                equal(s.printed(), "total 33 120 1.5 4\n", name)
                equal(stats(s)["callouts"], 3 * (make is by_server), "stops")
                check(len(got[-1]) == 3, m, name)
        if name in ("rcx", "r8", "r9", "r10", "r11"):
            equal([v[0] for v in got[0]], [1000, 11000, 21000], name)
        equal([v[0] for v in got[0] if number != RSP],
              [v[0] for v in got[1] if number != RSP], name)


@case(peer=OURS, seconds=60)
def sets_are_counted_as_the_servers():
    """Whether `when` or the value does not hold, or cannot be had."""
    bad = const(16) + REF64
    for make in x, by_server:
        for when, value, want in (
                (reg(RDI) + const(11) + EQUAL, reg(RDI), "1,failed=0"),
                (bad, reg(RDI), "0,failed=3"),
                (const(1), bad, "3,failed=3"),
                (None, reg(RDI) + const(0) + DIV, "3,failed=3"),
                (const(1), const(77), "3,failed=0")):
            with followed("calls", "3") as s:
                n = added(s, "transform:%x,1;set,rdi,%s%s" % (
                    s.addr("leaf"), make(value),
                    ";when=" + make(when) if when else ""))
                s.finish()
                equal(rules(s)[n].split(",hits=")[1], want, (when, value))
                total = 231 if value == const(77) else 33
                check(s.printed().startswith("total %d " % total), value)


@case(peer=OURS, seconds=60)
def a_register_that_is_set_once_is_set_once():
    """However often its thread is stopped meanwhile."""
    with followed("turns", "2", "300000") as s:
        at = s.addr("turn")
        n = added(s, "transform:%x,1;set,rsi,%s" % (
            at, x(reg(RSI), const(1), ADD)))
        s.start()
        for _ in range(100):
            s.interrupt()
            s.start()
        s.wait()
        equal(hits(s, n), 600000, "hits")
        sum_ = sum(t * 1000000 * 300000 + 300000 * 300001 // 2
                   for t in (1, 2))
        equal(s.printed(), "sum %d\n" % sum_, "it prints")


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
    for events, full in (("events=ret", "wrap"), ("events=ret", "stop"),
                         ("mode=count", "wrap"), ("mode=none", "stop")):
        with followed("calls", "500", how=";%s;buffer=4k;full=%s" % (
                events, full)) as s:
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
        s.finish()
        got = values(s)
        equal(sorted(v[3][0] for v in got), list(range(1, 21)), "values")
        equal(len({v[1] for v in got}), 20, "threads")
        equal(hits(s, n), 20, "hits")


@case(peer=OURS, seconds=60)
def conditions_are_in_the_code():
    """Nobody is stopped where they do not hold."""
    with followed("calls", "500") as s:
        leaf = s.addr("leaf")
        n = added(s, "probe:%x;%s;when=%s" % (
            leaf, x(reg(RDI)), x(reg(RDI), const(4981), EQUAL)))
        m = added(s, "probe:%x;when=%s" % (
            leaf, x(reg(RSP), REF64, const(0), EQUAL)))
        k = added(s, "probe:%x;when=%s" % (
            leaf, x(reg(RDI), const(4000), LESS, const(16), REF64, NOT)))
        before = stats(s)
        s.finish()
        more = {key: v - before[key] for key, v in stats(s).items()}
        equal([hits(s, i) for i in (n, m, k)], [1, 0, 0], "hits")
        equal(more["conditions_called"], 0, "not compiled")
        check(more["conditions"] >= 3, "compiled", more["conditions"])
        equal(more["conditions_failed"], 500, "loads that fault")
        equal(more["callouts"], 500, "stops")
        equal(rules(s)[k].split("failed=")[1], "1f4", "failed")
        check(s.printed().startswith("total 1248000 "), s.printed())


@case(peer=OURS, seconds=60)
def counting_takes_no_stop():
    with followed("calls", "500") as s:
        leaf = in_function(s, "leaf")
        n = added(s, "transform:%s&mnemonic=ret;count" % leaf)
        m = added(s, "transform:%s&mnemonic=ret;count;when=%s" % (
            leaf, x(reg(RAX), const(2000), LESS)))
        k = added(s, "transform:%s&mnemonic=ret;count;when=%s" % (
            leaf, x(reg(RAX), REF64)))
        before = stats(s)["callouts"]
        s.run_to("done")
        equal([hits(s, i) for i in (n, m, k)], [500, 100, 0], "hits")
        equal(rules(s)[k].split("failed=")[1], "1f4", "failed")
        s.finish()
        equal([hits(s, i) for i in (n, m, k)], [500, 100, 0], "at the end")
        equal(stats(s)["callouts"], before, "stops")


@case(peer=OURS, seconds=100)
def every_instruction_is_counted():
    """As often as its block is, which counts otherwise."""
    with followed("calls", "3", how=";mode=count") as s:
        n = added(s, "transform:%x,7fffffff0000;count;when=%s" % (
            0x1000, x(reg(RSP))))
        s.finish(90)
        text = s.xfer("qtrace", "blocks").decode()
        total = int(re.search(r"and (\d+) instructions", text)[1])
        equal(hits(s, n), total, "instructions")
        equal(s.printed(), "total 33 120 1.5 4\n", "it prints")


@case(peer=OURS, seconds=60)
def threads_count_together():
    with followed("threads", "50") as s:
        n = added(s, "transform:%x,1;count" % s.addr("in_thread"))
        s.finish()
        equal(hits(s, n), 50, "hits")


def expression(r, depth):
    """One of any kind that leaves a value, over registers and the stack."""
    if depth == 0:
        return r.choice([reg(r.randrange(17)), const(r.getrandbits(64)),
                         const(r.randrange(-3, 70)), "22%02x" % r.randrange(
                             256), reg(RSP) + REF64])
    one, two = expression(r, depth - 1), expression(r, r.randrange(depth))
    return r.choice([
        lambda: one + two + "%02x" % r.choice(
            [2, 3, 4, 9, 10, 11, 15, 16, 17, 19, 20, 21]),
        lambda: one + r.choice(["0e", "12", "16%02x" % r.randrange(70),
                                "2a%02x" % r.randrange(70)]),
        lambda: one + two + r.choice(["2b03", "320103", "29", "2b29"]),
        lambda: one + "28" + r.choice(["02", "03", "0f"]),
        lambda: one + two + reg(RDI) + "33" + "0203",
        lambda: conditional(one, two, reg(RAX)),
        lambda: reg(RSP) + two + "220f0f02" + r.choice(["17", "18", "19"]),
    ])()


def conditional(test, yes, no):
    """test ? yes : no, by jumps: where they go is put in later, as it counts
    from the program's beginning."""
    return "[%s|%s|%s]" % (test, yes, no)


def lay_out(text, at=0):
    """Bytes, with conditionals laid out, in hex."""
    out, i = "", 0
    while i < len(text):
        if text[i] != "[":
            out += text[i]
            i += 1
            continue
        parts, depth, last = [], 0, i + 1
        for j in range(i, len(text)):
            depth += (text[j] == "[") - (text[j] == "]")
            if (text[j] == "|" and depth == 1) or depth == 0:
                parts.append(text[last:j])
                last = j + 1
            if depth == 0:
                break
        here = at + len(out) // 2
        test = lay_out(parts[0], here)
        no_at = here + len(test) // 2 + 3
        no = lay_out(parts[2], no_at)
        yes_at = no_at + len(no) // 2 + 3
        yes = lay_out(parts[1], yes_at)
        out += "%s20%04x%s21%04x%s" % (test, yes_at, no,
                                      yes_at + len(yes) // 2, yes)
        i = j + 1
    return out


@case(peer=OURS, seconds=120)
def compiled_conditions_are_those_of_the_interpreter():
    """Each is a count's condition, a value, and one of an expression that is
    too long to be compiled."""
    r = random.Random(20)
    compiled = actions = 0
    for _ in range(24):
        with followed("calls", "8") as s:
            every = []
            for _ in range(2):
                e = lay_out(expression(r, r.randrange(1, 4)))
                at = "transform:%s&mnemonic=add;" % in_function(s, "leaf")
                every.append((e, added(s, at + "count;when=" + x(e)),
                              added(s, at + "collect;" + x(e)),
                              added(s, at + "collect;" + by_server(e))))
            s.finish()
            compiled += stats(s)["conditions"]
            got = values(s)
            for e, n, m, k in every:
                mine = [v[3][0] for v in got if v[0] == m]
                check(mine, "nothing was collected", rules(s))
                equal(mine, [v[3][0] for v in got if v[0] == k], e)
                equal(hits(s, n), sum(1 for v in mine if v), e)
            # what has no room in its block takes stops, too
            check(stats(s)["collects_called"] >= sum(
                hits(s, k) for _, _, _, k in every), "collected by stops")
            actions += stats(s)["actions"]
    check(compiled > 30 and actions > 40, "compiled", compiled, actions)


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
