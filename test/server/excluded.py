#!/usr/bin/env python3
"""Code that is excluded by a client: tr_excluded's section of that name, by
its addresses; other modules by globs. The program finds what it finds when
all of it runs natively, and a debugger sees no trace of the cache on stacks.
"""
import re
import subprocess

from rsp import Session, case, check, equal, inferior, main, until

OURS = "it does not translate"
CASES = ("called", "flags_kept", "by_plt", "thrown", "not_caught", "jumped",
         "called_back", "looked_at", "interrupted", "in_threads")


def native(*cases):
    return subprocess.run([inferior("tr_excluded"), *cases], check=True,
                          stdout=subprocess.PIPE, timeout=60).stdout.decode()


def stats(s):
    return {k: int(v) for k, v in
            re.findall(r"(\w+)=(\d+);", s.packet("qTrace:stats"))}


def section(s):
    lo, hi = s.addr("__start_excluded"), s.addr("__stop_excluded")
    return "%x,%x" % (lo, hi - lo)


def begin(*cases):
    """At main, followed."""
    s = Session("tr_excluded", *cases)
    equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
    s.run_to("main")
    equal(s.packet("qTrace:follow:-1"), "OK", "follow")
    return s


def word(s, addr):
    return int.from_bytes(s.read(addr, 8), "little")


@case(peer=OURS, seconds=120)
def all_is_as_natively():
    want = native(*CASES)
    for form, calls in ("", 0), (";transparent=1", 20000):
        with begin(*CASES) as s:
            equal(s.packet("qTrace:exclude:" + section(s) + form), "OK", form)
            s.finish(100)
            equal(s.printed(), want, "it prints" + form)


@case(peer=OURS, seconds=60)
def calls_take_stops_when_that_is_asked_for():
    for form, least, most in (("", 0, 0), (";transparent=1", 15000, 25000)):
        with begin("called", "looked_at") as s:
            equal(s.packet("qTrace:exclude:" + section(s) + form), "OK", form)
            s.run_to("who_calls")
            calls = stats(s)["excluded_calls"]
            check(least <= calls <= most, form, calls)


@case(peer=OURS, seconds=60)
def a_range_is_included_again():
    with begin("called", "looked_at") as s:
        where = section(s)
        equal(s.packet("qTrace:exclude:" + where + ";transparent=1"), "OK")
        equal(s.packet("qTrace:include:" + where), "OK", "include")
        equal(s.packet("qTrace:include:" + where),
              "E.no such range was excluded: give the same one")
        s.run_to("who_calls")
        equal(stats(s)["excluded_calls"], 0, "calls")


@case(peer=OURS, seconds=60)
def who_calls_is_what_a_debugger_sees():
    """A breakpoint in code that runs natively; from all kinds of calls."""
    with begin("called") as s:
        equal(s.packet("qTrace:exclude:" + section(s)), "OK", "exclude")
        # not its first instruction: it would not run natively
        where = s.addr("plain_middle")
        s.point(0, where)
        callers = set()
        for _ in range(12):
            stop = s.cont()
            check(stop.kind == "T", stop)
            equal(s.pc(), where, "pc")
            callers.add(word(s, s.reg("rsp")))
            s.clear(0, where)
            s.step()
            s.point(0, where)
        check(len(callers) >= 4, "callers", callers)
        base = s.addr("main") - s.elf.symbols["main"]
        check(all(base < at < base + 0x100000 for at in callers), "callers",
              [hex(at) for at in callers])
        check(stats(s)["excluded_settled"] >= 5, stats(s))
        s.clear(0, where)
        s.finish()
        equal(s.printed(), native("called"), "it prints")


@case(peer=OURS, seconds=60)
def interrupted_and_unfollowed_within():
    for verb in "follow", "unfollow":
        with begin("until_over") as s:
            equal(s.packet("qTrace:exclude:" + section(s)), "OK", "exclude")
            s.start()
            check(until(lambda: "ready" in s.printed(), 30), "not ready")
            lo, hi = s.addr("__start_excluded"), s.addr("__stop_excluded")
            for _ in range(10):
                s.interrupt()
                check(lo <= s.pc() < hi, "pc", hex(s.pc()))
                back = word(s, s.reg("rsp"))
                check(0 < back - s.addr("main") + 4096 < 8192, hex(back))
                s.start()
            s.interrupt()
            equal(s.packet("qTrace:%s:-1" % verb), "OK", verb)
            s.set_var("over", 1)
            s.finish()
            check("until_over: ok" in s.printed(), s.printed())


@case(peer=OURS, seconds=60)
def modules_by_globs():
    with begin("by_plt", "thrown", "looked_at") as s:
        equal(s.packet("qTrace:exclude:module=libc.so*;transparent=1"), "OK")
        s.run_to("thrower")
        calls = stats(s)["excluded_calls"]
        check(calls >= 9000, "calls of libc", calls)
        equal(s.packet("qTrace:exclude:module=*"), "OK", "all, cheaply")
        s.finish(60)
        equal(s.printed(), native("by_plt", "thrown", "looked_at"), "it prints")


if __name__ == "__main__":
    raise SystemExit(main())
