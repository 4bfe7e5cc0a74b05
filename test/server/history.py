#!/usr/bin/env python3
"""Branch history: how it is asked for, and of what it is kept."""
import re

from history_client import NOT_THERE, Glued, History
from moving import choose
from rsp import FALSE, OPTIONS, Skip, case, check, equal, main


def branching(*pieces, **kw):
    s = History("branching", *pieces, **kw)
    s.run_to("main")
    return s


def is_followed(s):
    with open("/proc/%d/maps" % s.pid, encoding="utf-8") as f:
        return "memfd:tracestub" in f.read()


def refused(s, packet, text):
    equal(s.packet(packet), "E." + text, packet)


@case(peer=NOT_THERE)
def advertised():
    with branching() as s:
        for word in ("Qbtrace:bts+", "Qbtrace:off+", "Qbtrace-conf:bts:size+",
                     "qXfer:btrace:read+", "qXfer:btrace-conf:read+"):
            check(word in s.supported.split(";"), word)
        check("Qbtrace:pt" not in s.supported, "Intel PT")


@case(peer=NOT_THERE)
def on_and_off():
    conf = "qXfer:btrace-conf:read::0,fff"
    with branching("calls") as s:
        refused(s, conf, "Btrace not enabled.")
        refused(s, "qXfer:btrace:read:all:0,fff", "Btrace not enabled.")
        refused(s, "Qbtrace:off", "Branch tracing not enabled.")
        s.record()
        check(is_followed(s), "not followed")
        check('size="0x10000"' in s.packet(conf), "size")
        refused(s, "Qbtrace:bts", "Btrace already enabled.")
        refused(s, "qXfer:btrace:read:some:0,fff", "Bad annex.")
        equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(is_followed(s), OPTIONS.follow, "still followed")
        refused(s, conf, "Btrace not enabled.")
        for asked, given in (("0x4000", "0x4000"), ("1", "0x1000"),
                             ("0xffffffff", "0x400000")):
            equal(s.packet("Qbtrace-conf:bts:size=" + asked), "OK", "size")
            s.record()
            check('size="%s"' % given in s.packet(conf), asked)
            equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(s.packet("Hg-1"), "OK", "Hg")
        refused(s, "Qbtrace:bts", "Must select a single thread.")
        equal(s.packet("Hg0"), "OK", "Hg")
        refused(s, "Qbtrace:bts", "Must select a single thread.")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def followed_before():
    """Recording changes how a program is followed, and changes it back."""
    with branching("calls") as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        for mode in "none", "coverage", "count":
            equal(s.packet("qTrace:follow:-1;mode=" + mode), "OK", mode)
            s.select(s.tid())
            if mode == "none":
                s.record()
                s.run_to("factorial")
                check(len(s.blocks()) > 2, "too few blocks")
                equal(s.packet("Qbtrace:off"), "OK", "off")
                check(is_followed(s), "not followed any more")
            else:
                check("unfollow" in s.packet("Qbtrace:bts"), mode)
            equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        s.record()
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        s.select(s.tid())
        refused(s, "qXfer:btrace:read:all:0,fff", "Btrace not enabled.")
        s.record()
        s.run_to("tail")
        check(len(s.blocks()) > 2, "too few blocks")
        equal(s.finish().number, 0, "status")


def threads_followed(s):
    return {int(tid, 16): mode for tid, mode in re.findall(
        r"p[0-9a-f]+\.([0-9a-f]+),followed,(\w+)", s.packet("qTrace:threads"))}


def folded(s):
    return s.xfer("qtrace", "stacks.folded").decode()


@case(peer=NOT_THERE)
def recorded_too():
    """A record of all that is executed goes on beside it, and alone."""
    with branching("calls") as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        equal(s.packet("qTrace:follow:-1;mode=flow"), "OK", "flow")
        s.record()
        glued = Glued(s)
        s.run_to("factorial")
        glued.read()
        check(len(glued.blocks) > 2, "too few blocks")
        equal(glued.blocks, s.blocks(), "all")
        equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(set(threads_followed(s).values()), {"flow"}, "after that")
        s.run_to("piece_done")
        check("factorial;factorial;factorial" in folded(s), "not recorded")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def recorded_later():
    """The history goes on when a record is begun, and that without it."""
    with branching("calls") as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        s.select(s.tid())
        s.record()
        glued = Glued(s)
        for _ in range(3):
            s.step()
        check("history" in s.packet("qTrace:follow:-1;mode=count"), "count")
        before = s.blocks()
        equal(s.packet("qTrace:follow:-1;mode=flow"), "OK", "flow")
        equal(s.blocks(), before, "blocks")
        s.run_to("factorial")
        glued.read()
        equal(glued.blocks, s.blocks(), "all")
        check(len(glued.blocks) > len(before), "too few blocks")
        equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(set(threads_followed(s).values()), {"flow"}, "after that")
        check("main" in folded(s), "not recorded")


@case(peer=NOT_THERE)
def another_process_is_recorded():
    """What is followed for its history alone is in no record."""
    events = "multiprocess+;swbreak+;vContSupported+;fork-events+"
    with branching("fork", "calls", features=events) as s:
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        parent = s.tid()
        child = s.cont().fields["fork"].split(".")[0]
        equal(s.packet("qTrace:follow:%s.-1;mode=flow" % child), "OK", "flow")
        s.record(parent)
        for _ in range(20):
            s.step(parent)
        s.select(parent)
        check(len(s.blocks()) > 1, "too few blocks")
        equal(folded(s), "", "recorded")


@case(peer=NOT_THERE)
def single_threads():
    """Who is not followed is, for as long as its history is wanted."""
    with History("threads", "3", "forever") as s:
        s.run_to("all_there")
        equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
        main, first, second = s.tids()[:3]
        for tid in main, first:
            equal(s.packet("qTrace:follow:p%x.%x" % (s.pid, tid)), "OK", tid)
        before = {main: "none", first: "none"}
        equal(threads_followed(s), before, "followed")
        s.record(main)
        equal(threads_followed(s).keys(), {main, first}, "recorded")
        s.record(second)
        equal(threads_followed(s).keys(), {main, first, second}, "recorded")
        for tid in main, second:
            s.select(tid)
            equal(s.packet("Qbtrace:off"), "OK", "off")
        equal(threads_followed(s), before, "after that")


@case(peer=NOT_THERE)
def new_and_all():
    with branching("calls") as s:
        s.record()
        equal(s.blocks("delta"), [(0, s.pc())], "delta, at first")
        equal(s.blocks("new"), [], "new, at first")
        equal(s.blocks("all"), [(s.pc(), s.pc())], "all, at first")
        s.run_to("factorial")
        all_of = s.blocks("new")
        check(len(all_of) > 3, "too few blocks")
        equal(s.blocks("new"), [], "new again")
        equal(s.blocks("all"), all_of, "all")
        equal(s.blocks("delta"), [(0, s.pc())], "delta")


@case(peer=NOT_THERE)
def read_at_a_signal():
    """The handler comes before what was to come: that is no delta."""
    with branching("signals", "calls") as s:
        s.record()
        glued = Glued(s)
        equal(s.cont().number, 30, "SIGUSR1")
        glued.read()
        equal(glued.whole, 0, "before")
        s.point(0, "count")
        equal(s.signal(30).number, 5, "SIGTRAP")
        glued.read()
        equal(glued.whole, 1, "whole")
        equal(glued.blocks, s.blocks(), "all")
        equal(glued.blocks[0], (s.pc(), s.pc()), "the handler")


@case(peer=NOT_THERE)
def pc_is_set():
    with branching("calls") as s:
        s.record()
        glued = Glued(s)
        for _ in range(3):
            s.step()
        glued.read()
        before = s.pc()
        s.set_reg("rip", s.addr("factorial"))
        glued.read()
        equal(glued.whole, 1, "whole")
        equal(glued.blocks[0], (s.pc(), s.pc()), "newest")
        check(before not in glued.blocks[1], "not executed")
        s.step()
        glued.read()
        equal(glued.whole, 1, "whole")
        equal(glued.blocks, s.blocks(), "all")


@case(peer=NOT_THERE)
def thread_from_its_birth():
    with branching("thread") as s:
        first = s.tid()
        s.record()
        s.point(0, "factorial")
        s.cont()
        tid = s.tid()
        check(tid != first, "the same thread")
        refused(s, "qXfer:btrace-conf:read::0,fff", "Btrace not enabled.")
        s.record(tid)
        glued = Glued(s)
        glued.read()
        equal(glued.whole, 1, "whole")
        check(len(glued.blocks) > 10, "only", glued.blocks)
        s.cont()
        glued.read()
        equal(glued.blocks, s.blocks(), "all")
        s.clear(0, "factorial")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def child_goes_its_way():
    with branching("fork", "calls") as s:
        s.record()
        s.run_to("piece_done")
        check(len(s.blocks()) > 100, "too few blocks")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def another_program():
    events = "multiprocess+;swbreak+;vContSupported+;exec-events+"
    with branching("exec", features=events, size=0x100000) as s:
        s.record()
        s.step()
        check("exec" in s.cont().fields, "no exec")
        refused(s, "qXfer:btrace:read:delta:0,fff", "Overflow.")
        equal(s.blocks("new"), [(s.pc(), s.pc())], "new")
        s.run_to("factorial")
        check(len(s.blocks("delta")) > 1000, "too few blocks")
        equal(s.finish().number, 0, "status")


@case(peer=NOT_THERE)
def beside_a_condition():
    """Followed for a condition before, and let go of when that has gone."""
    if OPTIONS.follow:
        raise Skip("it is followed anyway")
    with branching("calls") as s:
        choose(s, "compiled")
        s.point(0, "piece_done", 1, FALSE)
        s.step()
        check(is_followed(s), "not followed")
        s.record()
        s.run_to("factorial")
        check(s.blocks(), "no blocks")
        s.clear(0, "piece_done")
        s.step()
        check(s.blocks(), "no blocks")
        s.point(0, "piece_done", 1, FALSE)
        s.packet("Qbtrace:off")
        check(is_followed(s), "not followed for the condition")
        s.clear(0, "piece_done")
        s.step()        # clients do so, and put it back
        check(is_followed(s), "let go of for a step")
        s.step()
        check(not is_followed(s), "still followed")


@case(peer=NOT_THERE)
def client_comes_again():
    with branching("calls") as s:
        s.record()
        s.run_to("factorial")
        before = s.blocks()
        s.sock.close()
        s.acks, s.rx = True, b""
        s.connect("multiprocess+;swbreak+")
        s.select(s.tid())
        equal(s.blocks(), before, "blocks")
        equal(s.packet("D;%x" % s.pid), "OK", "D")


if __name__ == "__main__":
    raise SystemExit(main())
