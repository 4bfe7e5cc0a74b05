#!/usr/bin/env python3
"""monitor condition and monitor logpoint: what stops and what is printed, and
that it is the same wherever it is decided."""
import re
import time

from moving import PLACES, choose, monitor, say, stats, told
from rsp import Session, case, check, equal, main

OURS = "its monitor has no such command"


def refused(s, text, why):
    reply, said = monitor(s, text)
    check(reply[:1] == "E", text, "is taken")
    check(why in said + reply, text, "is refused so:", said, reply)


def counted(s):
    """[(hits, stops)] of the conditions that there are."""
    return [(int(a), int(b)) for a, b in
            re.findall(r": (\d+) hits, (\d+) stops", say(s, "condition"))]


def hits(s, where="visit", limit=1000, kind=0):
    """(rdi, thread) at each stop, to the end; as gdb goes on."""
    out = []
    while len(out) < limit:
        stop = s.cont()
        if stop.kind in "WX":
            break
        s.at(where, stop)
        out.append((s.reg("rdi"), stop.tid))
        s.clear(kind, where)
        equal(s.step().number, 5, "step")
        s.point(kind, where)
    return out


def numbers(s, **how):
    return [n for n, _ in hits(s, **how)]


def with_condition(text, mode="once", n=3000, place="auto", after=False):
    """Numbers of the stops, and what was counted."""
    with Session("filtered", mode, str(n)) as s:
        s.run_to("main")
        choose(s, place)
        if after:
            s.point(0, "visit")
        say(s, "condition visit " + text)
        if not after:
            s.point(0, "visit")
        got = []
        s.point(0, "finish")
        while True:
            stop = s.cont()
            if s.pc() == s.addr("finish"):
                return got, counted(s)[0]
            s.at("visit", stop)
            got.append(s.reg("rdi"))
            s.clear(0, "visit")
            s.step()
            s.point(0, "visit")


@case(peer=OURS, seconds=120)
def each_of_them_alone_and_together():
    for text, want, n_hits in (
            ("ignore 2990", list(range(2990, 3000)), 3000),
            ("every 1000", [999, 1999, 2999], 3000),
            ("ignore 500 every 1000", [1499, 2499], 3000),
            ("if rdi >= 100 && arg1 < 103", [100, 101, 102], 3),
            ("if rdi % 7 == 6 every 100", [699, 1399, 2099, 2799], 428),
            ("streq rsi \"right\" ignore 998", [2995, 2998], 1000),
            ("if $_streq(rsi, \"a longer name\") && edi < 10", [2, 5, 8], 3),
            ("if *(char *)rsi == 'l' if rdi > 2990", [2991, 2994, 2997], 3),
            ("if 0", [], 0)):
        for place in PLACES:
            got, (n, stops) = with_condition(text, place=place)
            equal((got, n, stops), (want, n_hits, len(want)),
                  "%s (%s)" % (text, place))


@case(peer=OURS, seconds=60)
def before_or_after_the_breakpoint():
    for after in False, True:
        for place in PLACES:
            got, n = with_condition("every 1000", place=place, after=after)
            equal((got, n), ([999, 1999, 2999], (3000, 3)), place)
    with Session("filtered", "once", "20") as s:
        s.run_to("main")
        s.point(1, "visit")
        say(s, "condition *0x%x ignore 5" % s.addr("visit"))
        equal(numbers(s, limit=2, kind=1), [5, 6], "a hardware breakpoint")
        say(s, "condition delete")
        equal(numbers(s, limit=2, kind=1), [7, 8], "deleted")


@case(peer=OURS, seconds=90)
def threads_by_name_and_id():
    for place in PLACES:
        with Session("filtered", "threads", "2000") as s:
            s.run_to("main")
            choose(s, place)
            s.point(0, "visit")
            say(s, "condition visit thread right every 500")
            got = hits(s)
            equal([n for n, _ in got], [499, 999, 1499, 1999], place)
            equal(len({tid for _, tid in got}), 1, "one thread")
        with Session("filtered", "threads", "2000") as s:
            s.run_to("main")
            choose(s, place)
            s.point(0, "visit")
            say(s, "condition visit thread \"a longer name\" if rdi == 3")
            s.at("visit", s.cont())
            tid = s.tid()
            say(s, "condition visit thread %d if rdi %% 500 == 499" % tid)
            s.clear(0, "visit")
            s.step()
            s.point(0, "visit")
            got = hits(s)
            equal([n for n, _ in got], [499, 999, 1499, 1999], place)
            equal({t for _, t in got}, {tid}, "its thread")


@case(peer=OURS, seconds=90)
def counts_are_of_all_threads():
    """Each 1,000th of 60,000, whoever it is: the others are not lost."""
    for place in PLACES:
        with Session("filtered", "threads", "20000") as s:
            s.run_to("main")
            choose(s, place)
            s.point(0, "visit")
            say(s, "condition visit every 1000")
            s.point(0, "finish")
            stops = 0
            while True:
                stop = s.cont()
                if s.pc() == s.addr("finish"):
                    break
                s.at("visit", stop)
                stops += 1
                s.clear(0, "visit")
                s.step()
                s.point(0, "visit")
            # Threads that ran while it was out are not counted, but a few.
            equal(counted(s)[0][1], stops, "stops told")
            equal(counted(s)[0][0] // 1000, stops, "one of 1,000")


@case(peer=OURS, seconds=120)
def each_hit_is_counted_once_over_interrupts():
    """Threads are halted anywhere in what counts, again and again."""
    for place, n in ("server", 3000), ("auto", 2000000), \
            ("compiled", 2000000):
        with Session("filtered", "threads", str(n)) as s:
            s.run_to("main")
            choose(s, place)
            s.point(0, "visit")
            say(s, "condition visit if rdi >= 0 ignore 1000000000")
            s.point(0, "finish")
            while True:
                s.start()
                time.sleep(0.003)
                if s.interrupt().number == 5:
                    break
            equal(hex(s.pc()), hex(s.addr("finish")), "the end")
            equal(counted(s), [(3 * n, 0)], place)


@case(peer=OURS)
def what_is_not_meant_is_refused():
    with Session("filtered", "once", "10") as s:
        s.run_to("main")
        for text, why in (
                ("visit", "none of ignore N"),
                ("visit foo", "`foo' is none of ignore N"),
                ("visit ignore", "no number"),
                ("visit ignore -1", "`-1' is no number"),
                ("visit every 0", "no number above 0"),
                ("visit every 2 3", "`3' is none of"),
                ("visit thread", "which thread"),
                ("visit streq rsi", "has \" before it"),
                ("visit if", "is missing at `the end'"),
                ("visit if rsx == 1", "no such register at `rsx == 1'"),
                ("visit if rdi = 1", "nothing is assigned"),
                ("visit if X2,22", "bytecodes"),
                ("visit if X2,2200", "no agent expression with a value"),
                ("nowhere if 1", "no function `nowhere'"),
                ("*12zz if 1", "no address"),
                ("delete x", "`x' is no number"),
                ("delete 3", "no condition 3")):
            refused(s, "condition " + text, why)
        for text, why in (
                ("visit", "what is to be printed"),
                ("visit hello", "what is to be printed"),
                ("visit \"hello", "no \" at its end"),
                ("visit \"%d\"", "values"),
                ("visit \"%d\" rdi rsi", "values"),
                ("visit \"%f\" rdi", "conversion"),
                ("visit \"x\" if rdi rsi", "nothing comes behind"),
                ("nowhere \"x\"", "no function"),
                ("*0 \"x\"", "no logpoint can be at 0x0"),
                ("delete 3", "no logpoint 3")):
            refused(s, "logpoint " + text, why)
        equal(say(s, "condition"), "There are no conditions.\n", "none")
        equal(say(s, "logpoint"), "There are no logpoints.\n", "none")


# --- logpoints ---------------------------------------------------------------

def same_lines(got, want, *what):
    for i, (a, b) in enumerate(zip(got.splitlines(), want.splitlines())):
        check(a == b, *what, "line", i, repr(a), "and not", repr(b))
    equal(len(got), len(want), " ".join(what))


NAMES = "left", "right", "a longer name"


@case(peer=OURS, seconds=90)
def they_print_in_order():
    for place in PLACES:
        for n in 50, 2000:
            with Session("filtered", "once", str(n)) as s:
                s.run_to("main")
                choose(s, place)
                s.point(0, "finish")
                say(s, "logpoint visit \"%d\\t%s 100%% %c\\n\" rdi, rsi, "
                    "*(char *)rsi if rdi % 2")
                stop, text = told(s)
                s.at("finish", stop)
                want = "".join("%d\t%s 100%% %s\n" % (
                    i, NAMES[i % 3], NAMES[i % 3][0])
                    for i in range(1, n, 2))
                same_lines(text, want, place)
                equal(s.printed(), "", "on the server's terminal")


def shown(n):
    """What mode strings has printed; a pointer that cannot be read prints
    nothing."""
    out = []
    for i in range(n):
        out.append("%d %s" % (i, "p" * (i % 140)))
        long = chr(ord("a") + i % 26) * (120 + i % 140)
        out.append(long + " ")
        if i % 100 == 0:
            out.append("(null) " + long)
    return "".join(line + "\n" for line in out)


@case(peer=OURS, seconds=60)
def strings_are_what_they_were():
    n = 600
    for place in PLACES:
        with Session("filtered", "strings", str(n)) as s:
            s.run_to("main")
            choose(s, place)
            s.point(0, "finish")
            say(s, "logpoint show \"%s %s\\n\" rdi, rsi")
            stop, text = told(s)
            s.at("finish", stop)
            same_lines(text, shown(n), place)
            # Its libraries have room for a region, whenever it moves.
            check(int(stats(s)["native_steps"]) < 100, place, stats(s))
            if place == "compiled":
                # Lengths of 120 to 127 are copied: of 140 these are 8; of the
                # other strings 128 of 140.
                check(int(stats(s)["prints"]) > n // 2, stats(s)["prints"])


@case(peer=OURS, seconds=60)
def numbers_take_no_stop():
    for n in 100, 20000:
        with Session("filtered", "threads", str(n)) as s:
            s.run_to("main")
            choose(s, "compiled")
            s.point(0, "finish")
            say(s, "logpoint visit \"%d %d\\n\" tid, rdi")
            stop, text = told(s)
            s.at("finish", stop)
            equal(int(stats(s)["prints"]), 3 * n, "without a stop")
            by_thread = {}
            for line in text.splitlines():
                tid, i = line.split()
                by_thread.setdefault(tid, []).append(int(i))
            equal(list(by_thread.values()), [list(range(n))] * 3, "in order")


@case(peer=OURS, seconds=60)
def with_a_breakpoint_at_the_same_place():
    """Each arrival is printed once, whether it stops or not."""
    for place in PLACES:
        for first in True, False:
            with Session("filtered", "once", "30") as s:
                s.run_to("main")
                choose(s, place)
                if first:
                    s.point(0, "visit")
                say(s, "logpoint visit \"%d\\n\" rdi")
                say(s, "condition visit every 10")
                if not first:
                    s.point(0, "visit")
                printed, stops = "", []
                while True:
                    stop, text = told(s)
                    printed += text
                    if stop.kind in "WX":
                        break
                    s.at("visit", stop)
                    stops.append(s.reg("rdi"))
                    s.clear(0, "visit")
                    equal(s.step().number, 5, "step")
                    s.point(0, "visit")
                equal(stops, [9, 19, 29], place)
                equal(printed, "".join("%d\n" % i for i in range(30)), place)


@case(peer=OURS)
def deleted_and_replaced():
    with Session("filtered", "once", "9") as s:
        s.run_to("main")
        say(s, "logpoint visit \"one %d\\n\" rdi")
        say(s, "logpoint finish \"the end\\n\"")
        check("2  finish" in say(s, "logpoint"), "the list")
        s.point(0, "visit")
        stop, text = told(s)
        equal(text, "one 0\n", "the first")
        say(s, "logpoint visit \"two %d\\n\" rdi")
        s.clear(0, "visit")
        stop, text = told(s)
        equal((stop.kind, text), ("W", "".join(
            "two %d\n" % i for i in range(1, 9)) + "the end\n"), "the rest")
    with Session("filtered", "once", "9") as s:
        s.run_to("main")
        say(s, "logpoint visit \"%d\\n\" rdi")
        say(s, "logpoint finish \"the end\\n\"")
        say(s, "logpoint delete 1")
        stop, text = told(s)
        equal((stop.kind, text), ("W", "the end\n"), "without the first")


if __name__ == "__main__":
    raise SystemExit(main())
