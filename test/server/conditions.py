#!/usr/bin/env python3
"""Breakpoints whose conditions move into the program: what stops, and when, is
as with those that the server evaluates."""
import time

from moving import PLACES, choose, monitor, stats
from rsp import (FALSE, OPTIONS, Program, Session, case, check, equal, main,
                 need_unfollowed, until)

TIMES = 30000
EACH = 10000


def cond(code):
    return ";X%x,%s" % (len(code) // 2, code)


# rdi % EACH == EACH - 1, rdi == n
SOMETIMES = cond("26000524%08x0824%08x1327" % (EACH, EACH - 1))


def is_number(n):
    return cond("26000524%08x1327" % n)


def moved(s):
    return int(stats(s)["conditions_moved"])


def maps(pid):
    with open("/proc/%d/maps" % pid) as f:
        return f.read()


def hits(s, where, kind="swbreak"):
    """What rdi was at each stop, until the program ends."""
    out = []
    while True:
        stop = s.cont()
        if stop.kind in "WX":
            return out, stop
        check(kind in stop.fields, stop)
        s.at(where, stop)
        out.append(s.reg("rdi"))
        # As gdb goes on.
        s.clear(0 if kind == "swbreak" else 1, where)
        equal(s.step().number, 5, "step")
        s.point(0 if kind == "swbreak" else 1, where, 1, SOMETIMES)


def wanted(first=0):
    return list(range(first + EACH - 1, first + TIMES, EACH))


@case(seconds=60)
def the_same_hits_wherever_they_are_evaluated():
    for place in PLACES:
        for kind, name in (0, "swbreak"), (1, "hwbreak"):
            with Session("conditional", "once", str(TIMES)) as s:
                s.run_to("main")
                choose(s, place)
                s.point(kind, "hot", 1, SOMETIMES)
                got, end = hits(s, "hot", name)
                equal(got, wanted(), place)
                equal((end.kind, end.number), ("W", 0), "end")
                equal(s.printed(), "%d\n" % (TIMES * (TIMES - 1) // 2), place)


@case(peer="its monitor knows no conditions")
def what_is_often_false_moves():
    need_unfollowed()
    for place, last in ("server", 3000), ("auto", 2999990), \
            ("compiled", 2999990):
        with Session("conditional", "once", "3000000") as s:
            s.run_to("main")
            choose(s, place)
            s.point(0, "finish")
            s.point(0, "hot", 1, is_number(last))
            s.at("hot", s.cont())
            equal(s.reg("rdi"), last, place)
            equal(moved(s), int(place != "server"), place)
            check(int(stats(s)["conditions"]) > 0 or place == "server", place)
            s.clear(0, "hot")
            s.at("finish", s.cont())
    with Session("conditional", "once", "10") as s:
        s.run_to("main")
        check(monitor(s, "set conditions nowhere")[0] != "OK", "nowhere")


@case(peer="it has no such option")
def a_place_from_the_command_line():
    need_unfollowed()
    for place in "server", "compiled":
        with Session("conditional", "once", "10",
                     options=["--conditions=" + place]) as s:
            s.run_to("main")
            s.point(0, "hot", 1, is_number(9))
            s.at("hot", s.cont())
            equal(moved(s), int(place == "compiled"), place)


@case(seconds=40)
def threads_meet_it_too():
    for place in PLACES:
        with Session("conditional", "threads", str(TIMES)) as s:
            s.run_to("main")
            choose(s, place) if place != "auto" else None
            s.point(0, "hot", 1, SOMETIMES)
            got, end = hits(s, "hot")
            equal((end.kind, end.number), ("W", 0), "end")
            # A thread that was about to stop may have stepped with the point
            # out; others have not run then.
            equal(sorted(got), sorted(wanted() + wanted(TIMES) +
                                      wanted(2 * TIMES)), place)


@case
def one_that_cannot_be_evaluated_stops():
    """A null pointer; a division by zero."""
    for code in "22001a27", "220122000527":
        for place in PLACES:
            with Session("conditional", "once", "1000") as s:
                s.run_to("main")
                choose(s, place)
                s.point(0, "hot", 1, cond(code))
                s.at("hot", s.cont())
                equal(s.reg("rdi"), 0, code)


@case
def another_condition_in_its_place():
    with Session("conditional", "once", str(TIMES)) as s:
        s.run_to("main")
        s.point(0, "hot", 1, is_number(5000))
        s.at("hot", s.cont())
        equal(s.reg("rdi"), 5000, "first")
        s.point(0, "hot", 1, is_number(25000) + is_number(25001)[1:])
        for n in 25000, 25001:
            s.at("hot", s.cont())
            equal(s.reg("rdi"), n, "second")
            s.clear(0, "hot")
            s.step()
            s.point(0, "hot", 1, is_number(25001))
        s.point(0, "hot")
        s.at("hot", s.cont())
        equal(s.reg("rdi"), 25002, "without any")


@case
def it_can_be_stopped_and_stepped():
    with Session("conditional", "forever") as s:
        s.run_to("main")
        s.point(0, "hot", 1, FALSE)
        for _ in range(5):
            s.start()
            time.sleep(0.1)
            equal(s.interrupt().number, 2, "^C")
            for _ in range(10):
                stop = s.step()
                equal(stop.number, 5, "step")
        s.clear(0, "hot")
        s.point(0, "finish")
        s.set_var("ending", 1)
        s.at("finish", s.cont())


@case(peer="it knows no qTrace")
def it_is_let_go_of_when_the_point_has_gone():
    need_unfollowed()
    with Session("conditional", "forever") as s:
        s.run_to("main")
        s.point(0, "hot", 1, FALSE)
        check(s.run_until(lambda: moved(s), 20, 0.5), "not moved")
        equal(moved(s), 1, "moved")
        s.clear(0, "hot")
        check(s.run_until(lambda: "tracestub" not in maps(s.pid), 10, 0.1),
              "a cache is left")


@case(peer="it knows no qTrace")
def another_program_is_not_followed_for_it():
    need_unfollowed()
    events = "multiprocess+;swbreak+;vContSupported+;exec-events+"
    with Session("exec", "self", features=events) as s:
        s.run_to("main")
        choose(s, "compiled")
        s.point(0, "main", 1, FALSE)
        s.step()
        check("tracestub" in maps(s.pid), "not followed")
        check("exec" in s.cont().fields, "no exec")
        s.step()
        check("tracestub" not in maps(s.pid), "followed in another program")


@case(seconds=60)
def detached_while_it_is_moved():
    times = 500000000           # for a second or more, natively
    with Program("conditional", "once", "%d" % times) as p:
        until(lambda: open("/proc/%d/stat" % p.pid).read())
        with Session(attach=p.pid, path=p.path) as s:
            s.point(0, "hot", 1, FALSE)
            s.start()
            time.sleep(0.3)
            s.interrupt()
            equal(s.packet("D;%x" % s.pid), "OK", "D")
        equal(p.line(), "%d" % (times * (times - 1) // 2), "total")
        equal(p.wait(), 0, "status")


@case
def a_child_has_it_as_its_parent():
    features = "multiprocess+;swbreak+;fork-events+;vContSupported+"
    for place in PLACES:
        with Session("conditional", "fork", "30000", features=features) as s:
            s.run_to("main")
            choose(s, place)
            s.point(0, "hot", 1, is_number(29990))
            s.at("hot", s.cont())
            s.clear(0, "hot")
            s.step()
            s.point(0, "hot", 1, is_number(29990))
            stop = s.cont()
            check("fork" in stop.fields, stop)
            end = s.cont()
            # The child's, which has the point too.
            check("swbreak" in end.fields, end)
            check(end.tid != s.pid, end)
            s.at("hot", end)


def printf(code, text):
    """Arguments, function and channel, printf, end."""
    text = text.encode() + b"\0"
    n = code.count("|") + 1 if code else 0
    return "%s2200220034%02x%04x%s27" % (
        code.replace("|", ""), n, len(text), text.hex())


def commands(*all_of_them):
    return ";cmds:1," + "".join("X%x,%s" % (len(c) // 2, c)
                                for c in all_of_them)


def lines(s, n):
    """The breakpoint's, without the program's own last one. That may come
    before some of them: made by translated code they are up to 20 ms late."""
    got = [int(x) for x in s.printed().split()]
    total = n * (n - 1) // 2
    check(total in got, "the program's own", got[-4:])
    got.remove(total)
    return got


@case(seconds=40)
def what_it_prints_is_the_same():
    """dprintf-style agent: in order, once each, before what is told next."""
    for place in PLACES:
        for n in 500, 5000:
            with Session("conditional", "once", str(n)) as s:
                s.run_to("main")
                choose(s, place)
                # Twice rdi, and rdi; then text alone.
                s.point(0, "hot", 1, commands(
                    printf("260005260005" "02|260005", "%d of %ld\n"),
                    printf("", "also\n")))
                s.point(0, "finish")
                s.at("finish", s.cont())
                want = "".join("%d of %d\nalso\n" % (i, 2 * i)
                               for i in range(n))
                got = s.printed()
                check(got == want, place, n, len(got), len(want))
                if place == "compiled":
                    equal(int(stats(s)["prints"]), n, "without a stop")
                elif place == "auto" and n == 5000:
                    check(OPTIONS.follow or moved(s) == 1, "not moved")
                s.clear(0, "finish")
                equal(s.finish().number, 0, "end")
                equal(s.printed()[len(want):], "%d\n" % (n * (n - 1) // 2),
                      "afterwards")


@case(seconds=40)
def conditions_of_what_is_printed():
    for place in PLACES:
        with Session("conditional", "threads", "2000") as s:
            s.run_to("main")
            choose(s, place)
            # rdi % 100 == 0
            s.point(0, "hot", 1, cond("26000522640822001327") +
                    commands(printf("260005", "%d\n")))
            end = s.finish()
            equal(end.number, 0, "end")
            got = sorted(lines(s, 6000))
            equal(got, list(range(0, 6000, 100)), place)


@case(seconds=90)
def each_line_is_printed_once_while_it_moves():
    """Threads are at the breakpoint, in slots behind it and on their way to it
    when it moves, at another moment each time."""
    for n in range(900, 1300, 20):
        with Session("conditional", "threads", str(n)) as s:
            s.run_to("main")
            s.point(0, "hot", 1, commands(printf("260005", "%ld\n")))
            equal(s.finish().number, 0, "end")
            got = lines(s, 3 * n)
            check(sorted(got) == list(range(3 * n)), n, "lines: ", len(got))
            for first in 0, n, 2 * n:
                mine = [i for i in got if first <= i < first + n]
                check(mine == sorted(mine), n, "out of order")


@case()
def a_program_writes_to_what_it_has_printed():
    """That its expressions have failed is no more there to be seen."""
    with Session("overwriting") as s:
        s.run_to("main")
        choose(s, "compiled")
        # Were the first instruction a printf, its format would be far away.
        s.point(0, "hot", 1, commands(printf("247fffffff", "%d\n")))
        equal(s.finish().number, 0, "end")
        equal(sorted(s.printed().split()), ["190"] + ["2147483647"] * 20,
              "what is printed")


if __name__ == "__main__":
    raise SystemExit(main())
