#!/usr/bin/env python3
"""The code cache in a client's hands: what is dropped is translated again,
what is fetched ahead is not, and the program sees nothing of it."""
import re

from rsp import Session, case, check, equal, main

OURS = "it does not translate"


def stats(s):
    return {k: int(v) for k, v in
            re.findall(r"(\w+)=(\d+);", s.packet("qTrace:stats"))}


def grown(s, before):
    return {k: v - before[k] for k, v in stats(s).items() if v != before[k]}


def begin(*args):
    """At the first stop_here, followed; its breakpoint stays."""
    s = Session("cached", *args)
    s.run_to("main")
    equal(s.packet("qTrace:follow:-1"), "OK", "follow")
    s.point(0, s.addr("stop_here"))
    s.cont()
    return s


def again(s):
    """On to the next stop_here: over its breakpoint, as clients do that."""
    s.clear(0, s.addr("stop_here"))
    s.step()
    s.point(0, s.addr("stop_here"))
    s.cont()


def finish(s, want):
    s.clear(0, s.addr("stop_here"))
    s.finish()
    equal(s.printed(), want, "it prints")


def code(s):
    return s.var("code", 8)


@case(peer=OURS, seconds=60)
def invalidation_for_current_thread_should_be_supported():
    with begin("50") as s:
        again(s)
        before = stats(s)
        dropped = s.packet("qTrace:invalidate:%x,6" % code(s))
        check(re.fullmatch("blocks=[1-9a-f][0-9a-f]*;", dropped), dropped)
        again(s)
        more = grown(s, before)
        check(more["invalidated"] >= 1, more)
        check(more["blocks"] >= 1, "translated again", more)
        equal(s.packet("qTrace:invalidate:%x,100" % (code(s) + 2048)),
              "blocks=0;", "nothing is there")
        finish(s, "1: 50\n")


@case(peer=OURS, seconds=60)
def invalidation_should_allow_block_to_grow():
    longer = b"\xb8\x01\0\0\0" + b"\x83\xc0\x02" * 20 + b"\xc3"
    with begin("10") as s:
        again(s)
        s.write(code(s), longer)
        s.packet("qTrace:invalidate:%x,%x" % (code(s), len(longer)))
        finish(s, "1: 2\n41: 8\n")


@case(peer=OURS, seconds=60)
def self_modifying_code_should_be_detected():
    """Without being told of it: as a debugger's writes are."""
    with begin("10") as s:
        again(s)
        s.write(code(s) + 1, b"\x07")
        finish(s, "1: 2\n7: 8\n")


@case(peer=OURS, seconds=60)
def flush_drops_all():
    with begin("20") as s:
        before = stats(s)
        equal(s.packet("qTrace:flush"), "OK", "flush")
        equal(grown(s, before)["flushes"], 1, "flushes")
        again(s)
        check(grown(s, before)["blocks"] >= 3, "blocks", grown(s, before))
        finish(s, "1: 20\n")


@case(peer=OURS, seconds=60)
def prefetch():
    with begin("5") as s:
        before = stats(s)
        equal(s.packet("qTrace:prefetch:%x" % s.addr("never")), "OK", "never")
        first = grown(s, before)
        check(first.get("blocks", 0) >= 1, "blocks", first)
        check("stops" not in first, "no thread has run", first)
        equal(s.packet("qTrace:prefetch:%x" % s.addr("never")), "OK", "again")
        equal(grown(s, before), first, "it was there")
        check(s.packet("qTrace:prefetch:%x" % s.addr("told")).startswith("E"),
              "data is no code")
        check(s.packet("qTrace:prefetch:10").startswith("E"), "nothing there")
        finish(s, "1: 5\n")


@case(peer=OURS, seconds=60)
def collect_frees_what_ended_threads_had():
    with begin("5", "20") as s:
        before = stats(s)
        equal(s.packet("qTrace:collect"), "remains=1;", "collect")
        check(grown(s, before)["windows_collected"] >= 1, "windows",
              grown(s, before))
        again(s)
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        equal(s.packet("qTrace:collect"), "remains=0;", "nothing is left")
        finish(s, "1: 5\n")


@case(peer=OURS, seconds=60)
def a_cache_has_a_size():
    with Session("cached", "5") as s:
        equal(s.packet("qTrace:cache-size:1M"), "OK", "1M")
        equal(s.packet("qTrace:cache-size"), "cache-size=1048576;", "size")
        for bad in "1k", "2G", "much", "1M;more":
            check(s.packet("qTrace:cache-size:" + bad).startswith("E"), bad)
        equal(s.packet("qTrace:cache-size"), "cache-size=1048576;", "size")


if __name__ == "__main__":
    raise SystemExit(main())
