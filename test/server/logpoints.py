#!/usr/bin/env python3
"""What logpoints print comes to the client once, and before the stop that it
comes before."""
import collections
import re

from moving import PLACES, choose, say, told
from rsp import (FEATURES, Session, Stop, case, check, equal, main, task_state,
                 until)

OURS = "its monitor has no such command"
VISIT = "logpoint visit \"%d %d %d\\n\" tid, rdi, *(char *)rsi"


def visits(text):
    """{thread: numbers, as they came}, and what they add to the total."""
    out, total = collections.defaultdict(list), 0
    for line in text.splitlines():
        tid, i, letter = map(int, re.fullmatch(r"(\d+) (\d+) (\d+)",
                                               line).groups())
        out[tid].append(i)
        total += i + letter
    return out, total


def each_once(text, n, what):
    for numbers in visits(text)[0].values():
        twice = [i for i in range(n) if numbers.count(i) > 1] \
            if len(numbers) > n else []
        equal((len(numbers), twice), (n, []), what)
        equal(numbers, list(range(n)), what)


WAYS = [(place, how) for place in PLACES for how in ([], ["--follow"])]


@case(peer=OURS, seconds=90)
def all_that_was_printed_is_told_before_a_stop():
    """... of the threads that stop with it, too."""
    n = 200
    for place, how in WAYS:
        with Session("filtered", "threads", str(n), options=how) as s:
            s.run_to("main")
            choose(s, place)
            say(s, VISIT)
            say(s, "condition visit every 37")
            s.point(0, "visit")
            s.point(0, "finish")
            text, stops = "", 0
            while True:
                stop, more = told(s)
                text += more
                if s.pc() == s.addr("finish"):
                    break
                stops += 1
                check(s.var("total", 8) <= visits(text)[1], place,
                      "a line is late")
                s.clear(0, "visit")
                stop, more = told(s, how="vCont;s:" + s.name(stop.tid))
                text += more
                s.point(0, "visit")
            equal(stops, 3 * n // 37, "stops")
            each_once(text, n, "%s %s" % (place, how))


@case(peer=OURS, seconds=90)
def beside_a_breakpoint_that_comes_and_goes():
    n = 3000
    for place, how in WAYS:
        with Session("filtered", "threads", str(n), options=how) as s:
            s.run_to("main")
            choose(s, place)
            say(s, VISIT)
            s.point(0, "finish")
            text, stop = "", None
            for _ in range(20):
                s.point(0, "visit")
                stop, more = told(s)
                text += more
                if s.pc() == s.addr("finish"):
                    break
                s.clear(0, "visit")
                stop, more = told(s, how="vCont;s:" + s.name(stop.tid))
                text += more
            s.clear(0, "visit")
            if s.pc() != s.addr("finish"):
                stop, more = told(s)
                text += more
            s.at("finish", stop)
            each_once(text, n, "%s %s" % (place, how))


@case(peer=OURS, seconds=60)
def a_client_that_is_slow_hears_all_before_the_end():
    n = 150000
    with Session("filtered", "once", str(n)) as s:
        s.run_to("main")
        choose(s, "compiled")
        say(s, "logpoint visit \"%d " + "." * 40 + "\\n\" rdi")
        s.start()
        check(until(lambda: task_state(s.pid) in ("", "Z"), 30), "it does not end")
        text = []
        while True:
            reply = s.receive(10)
            if reply[:1] != b"O":
                break
            text.append(bytes.fromhex(reply[1:].decode()).decode())
        equal(Stop(reply.decode()).kind, "W", "the end")
        got = [int(line.split()[0]) for line in "".join(text).splitlines()]
        equal((len(got), got == list(range(n))), (n, True), "lines")


@case(peer=OURS, seconds=60)
def without_a_way_to_be_told_it_is_the_servers_terminal():
    """gdb's non-stop mode; it begins and ends amid the run."""
    n = 3000
    for place in PLACES:
        with Session("filtered", "once", str(n)) as s:
            s.run_to("main")
            choose(s, place)
            say(s, "logpoint visit \"%d\\n\" rdi")
            s.point(0, "visit", rest=";X7,26000522641327")
            stop, text = told(s)
            s.at("visit", stop)
            s.clear(0, "visit")
            equal(s.packet("QNonStop:1"), "OK", "QNonStop")
            s.point(0, "finish")
            equal(s.packet("vCont;c"), "OK", "vCont")
            check(s.receive(20, notes=True) is None, "a packet unasked")
            equal(s.packet("vStopped"), "OK", "vStopped")
            got = text + s.printed()
            equal(got, "".join("%d\n" % i for i in range(n)), place)


@case(peer=OURS, seconds=60)
def what_was_printed_before_an_exec_is_told():
    for place in PLACES:
        for mode in "self", "thread":
            with Session("exec", mode,
                         features=FEATURES + ";exec-events+") as s:
                s.run_to("main")
                choose(s, place)
                say(s, "logpoint before \"before\\n\"")
                stop, text = told(s)
                check("exec" in stop.fields, stop)
                equal(text, "before\n", place + ", " + mode)
                stop, text = told(s)
                equal((stop.kind, text), ("W", ""), "the next program")


@case(peer=OURS, seconds=60)
def programs_that_are_executed_have_them_where_their_code_is_the_same():
    line = "logpoint after \"after\\n\""
    for place, how in WAYS:
        for mode in "self", "thread":
            with Session("exec", mode, options=how,
                         features=FEATURES + ";exec-events+") as s:
                s.run_to("main")
                choose(s, place)
                say(s, line)
                check("exec" in told(s)[0].fields, "no exec")
                check("other" not in say(s, "logpoint"), "not there")
                stop, text = told(s)
                equal((stop.kind, text), ("W", "after\n"), place + mode)
        with Session("exec", "echo", options=how,
                     features=FEATURES + ";exec-events+") as s:
            s.run_to("main")
            choose(s, place)
            say(s, line)
            there = s.addr("after")
            check("exec" in told(s)[0].fields, "no exec")
            check("at %#x, where this program has other code" % there in
                  say(s, "logpoint"), "it is said to be there")
            stop, text = told(s)
            equal((stop.kind, stop.number, text), ("W", 0, ""), place)


if __name__ == "__main__":
    raise SystemExit(main())
