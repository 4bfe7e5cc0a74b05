#!/usr/bin/env python3
"""qTrace's follow and what it records: events of each thread, coverage,
counts; while the program is stopped and after its end, however it came."""
import os
import re
import signal

from qtracing import (Events, NonStop, followed, refused, stats, trace,
                      xfer_error)
from rsp import Session, case, check, equal, main
from traced import counts, drcov, lighthouse

OURS = "it does not translate"
FIOFF = "p24"
FEATURES = "multiprocess+;swbreak+;hwbreak+;vContSupported+;error-message+"


@case(peer=OURS)
def it_says_what_it_can():
    with Session("calls") as s:
        for token in ("qTrace+", "qXfer:qtrace:read+"):
            check(token in s.supported.split(";"), token, s.supported)
        reply = s.packet("qTrace:features")
        for word in ("version=", "modes=none,coverage,count,trace,flow",
                     "events=call,ret,exec,block,compile", "annexes=events,"):
            check(word in reply, word, reply)


@case(peer=OURS)
def mistakes_are_named():
    with Session("calls") as s:
        for text, why in (
                (";mode=loud", "none, coverage, count, trace or flow"),
                (";events=calls", "no event is called 'calls'"),
                (";buffer=3", "4k to 1G"), (";buffer=2G", "4k to 1G"),
                (";mode=count;buffer=3", "4k to 1G"),
                (";mode=count;events=call", "belong to mode=trace"),
                (";mode=flow;full=wrap", "ends where it is full"),
                (";mode=trace;full=burst", "wrap or stop"),
                (";mode", "has no value"), (";", "KEY=VALUE"),
                (";speed=1", "not 'speed'")):
            refused(s, "follow:-1" + text, why)
        refused(s, "follow:p1.-1", "no such process")
        equal(stats(s)["threads"], 0, "nothing is followed")
        trace(s, "follow:-1;mode=count")
        refused(s, "follow:-1;mode=coverage", "in mode count: unfollow")
        trace(s, "follow:-1;mode=count")
        trace(s, "unfollow:-1")
        trace(s, "follow:-1;mode=trace;events=call")
        refused(s, "follow:-1;events=ret", "traced for other events")


@case(peer=OURS)
def annexes_are_refused_before_anything_is_recorded():
    with Session("calls", features=FEATURES) as s:
        check("follow with mode=trace" in xfer_error(s, "events"), "events")
        check("follow with mode=cov" in xfer_error(s, "blocks"), "blocks")
        check("there are events,blocks" in xfer_error(s, "nothing"), "nothing")


def events_of_calls(s):
    """calls 3, from main on: who calls whom."""
    names = [s.addr(n) for n in ("work", "middle", "leaf", "done")]
    tid = s.pid
    got = Events(s)
    equal(got.calls(tid, *names), names[:3] * 3 + names[3:], "calls")
    depth = {e[3]: e[1] for e in got.by_tid[tid] if e[0] == "call"}
    equal([depth[n] - depth[names[0]] for n in names], [0, 1, 2, 0], "depth")
    mine = [e for e in got.by_tid[tid] if e[0] in ("call", "ret")]
    returns = [e for e in mine if e[0] == "ret" and
               names[2] <= e[2] < names[2] + s.elf.sizes["leaf"]]
    equal(len(returns), 3, "returns of leaf")
    check(any(m[3] == s.path for m in got.modules), got.modules)
    equal(got.lost, {}, "lost")


@case(peer=OURS)
def events_can_be_read_when_it_has_ended():
    with followed("calls", "3", how=";mode=trace;events=call,ret") as s:
        done = s.addr("done")
        s.finish()
        events_of_calls(s)
        equal(len(Events(s).calls(s.pid, done)), 1, "read twice")


@case(peer=OURS)
def tracing_is_of_calls_if_nothing_is_said():
    with followed("calls", "3", how=";mode=trace") as s:
        s.finish()
        events_of_calls(s)


@case(peer=OURS)
def events_can_be_read_at_a_stop():
    with followed("calls", "3", how=";mode=trace;events=call,ret") as s:
        s.run_to("done")
        events_of_calls(s)
        trace(s, "unfollow:-1")
        events_of_calls(s)


@case(peer=OURS)
def the_x87_tells_where_it_was_afterwards():
    """Once it is not followed, or the cache is another."""
    for verbs in (("unfollow:-1",), ("deactivate",), ("flush", "unfollow:-1"),
                  ("invalidate:400000,1000", "collect", "unfollow:-1")):
        with followed("manysteps", at="begin") as s:
            s.run_to("x87_told")
            s.run_to("x87_save")
            place = hex(s.addr("x87_store"))
            equal(hex(int.from_bytes(bytes.fromhex(s.packet(FIOFF)), "little")),
                  place, "as shown")
            for verb in verbs:
                reply = s.packet("qTrace:" + verb)
                check(reply and reply[0] != "E", verb, reply)
            s.run_to("x87_told")
            equal(hex(s.reg("r13")), place, "after " + verbs[0])
            end = s.finish()
            equal((end.kind, end.number), ("W", 7), "end")


@case(peer=OURS)
def it_works_before_the_first_resume():
    with Session("calls-static", "3") as s:
        trace(s, "follow:-1;events=call,ret,block")
        s.finish()
        events_of_calls(s)
        kinds = {e[0] for e in Events(s).by_tid[s.pid]}
        equal(kinds, {"call", "ret", "block"}, "kinds")


@case(peer=OURS, seconds=60)
def every_instruction_is_an_event_if_asked_for():
    with followed("calls", "3", how=";events=exec;buffer=64M") as s:
        lo = s.addr("leaf")
        s.run_to("done")
        mine = [e[2] - lo for e in Events(s).by_tid[s.pid]
                if lo <= e[2] < lo + s.elf.sizes["leaf"]]
        check(len(mine) % 3 == 0 and mine[0] == 0, mine)
        third = len(mine) // 3
        check(mine[:third] == mine[third:2 * third] == mine[2 * third:], mine)
        check(third >= 5, mine)


@case(peer=OURS, seconds=60)
def a_full_buffer_wraps_or_stops():
    how = ";events=call;buffer=4k;full="
    for full, first, last in (("wrap", 0, 1), ("stop", 1, 0)):
        with followed("calls", "400", how=how + full) as s:
            names = [s.addr(n) for n in ("work", "middle", "leaf", "done")]
            s.finish()
            got = Events(s)
            equal(len(got.by_tid[s.pid]), 4096 // 24, full + ": events")
            check(got.lost[s.pid] >= 1200 - 170, full, got.lost)
            calls = got.calls(s.pid, *names)
            equal(calls.count(names[3]), last, full + ": the last call")
            equal(calls[:1] == names[:1], bool(first), full + ": the first")


@case(peer=OURS, seconds=60)
def threads_have_events_of_their_own():
    n = 40
    with followed("threads", str(n), how=";events=call,ret") as s:
        here, all_there = s.addr("in_thread"), s.addr("all_there")
        pid = s.pid
        s.finish(40)
        got = Events(s)
        equal(got.lost, {}, "lost")
        with_call = [t for t in got.by_tid if got.calls(t, here)]
        equal(len(with_call), n, "threads that called in_thread")
        for t in with_call:
            equal(len(got.calls(t, here)), 1, "calls of thread %d" % t)
            depth = 0
            for kind, at, _, _ in got.by_tid[t]:
                equal(at, depth, "depth in thread %d" % t)
                depth += 1 if kind == "call" else -1
        equal(len(got.calls(pid, all_there)), 1, "all_there")


@case(peer=OURS, seconds=60)
def non_stop_threads_have_theirs_too():
    with NonStop("threads", "8") as s:
        here = s.addr("in_thread")
        trace(s, "follow:-1;events=call,ret")
        equal(s.packet("vCont;c"), "OK", "vCont")
        s.end()
        got = Events(s)
        equal(len(got.by_tid), 9, sorted(got.by_tid))
        for t in got.by_tid:
            equal(len(got.calls(t, here)), int(t != s.pid), "of %d" % t)


@case(peer=OURS, seconds=60)
def a_running_program_is_refused():
    with NonStop("threads", "2", "forever") as s:
        equal(s.packet("vCont;c"), "OK", "vCont")
        refused(s, "follow:-1", "process %d runs: stop it first" % s.pid)
        refused(s, "flush", "stop it first")


def killed(s):
    os.kill(s.pid, signal.SIGKILL)
    stop = s.wait()
    equal((stop.kind, stop.number), ("X", 9), "killed")


@case(peer=OURS, seconds=60)
def a_sigkill_loses_no_event():
    with followed("threads", "6", "forever", how=";events=call") as s:
        here = s.addr("in_thread")
        s.run_to("all_there")
        s.start()
        killed(s)
        got = Events(s)
        equal(sum(len(got.calls(t, here)) for t in got.by_tid), 6, "calls")


@case(peer=OURS, seconds=60)
def a_crash_loses_no_event():
    with followed("crashing", "now", how=";events=call") as s:
        crash, deep = s.addr("crash"), s.addr("deep")
        stop = s.cont()
        equal((stop.kind, stop.number), ("T", 11), "it crashes")
        stop = s.signal(11)
        equal(stop.kind, "X", "and dies")
        got = Events(s)
        equal(len(got.calls(s.pid, crash)), 1, "crash")
        equal(sorted(len(got.calls(t, deep)) for t in got.by_tid if t != s.pid),
              [1, 2, 3], "deep, in the other threads")


@case(peer=OURS, seconds=60)
def events_of_an_image_stay_when_another_is_executed():
    with Session("exec", "plain") as s:
        trace(s, "follow:-1;events=call")
        s.finish()
        got = Events(s)
        check(got.by_tid, "no events")
        pids = {m[0] for m in got.modules}
        check(s.pid in pids, got.modules)


@case(peer=OURS, seconds=60)
def coverage_and_counts_are_files():
    for mode in "coverage", "count":
        with followed("calls", "3", how=";mode=" + mode) as s:
            s.run_to("done")
            now = lighthouse(s.xfer("qtrace", "coverage.drcov"))
            s.finish()
            then = drcov(s.xfer("qtrace", "coverage.drcov"))
            table = counts(s.xfer("qtrace", "blocks"))[0]
            check(now < then, "more is covered at the end")
            equal(set(table), then, "blocks and coverage")
            leaf = s.elf.symbols["leaf"]
            found = [n[0] for b, n in table.items()
                     if b[0] == s.path and b[1] == leaf]
            equal(found, [3 if mode == "count" else 1], "leaf")


@case(peer=OURS)
def maps_and_counters_are_documents():
    with followed("calls", "3") as s:
        s.finish()
        lines = s.xfer("qtrace", "maps").decode().splitlines()
        check(any(re.fullmatch("%d [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ %s" % (
            s.pid, re.escape(s.path)), x) for x in lines), lines)
        text = s.xfer("qtrace", "stats").decode()
        check(re.search(r"^[1-9]\d* blocks: blocks translated$", text, re.M),
              text)


@case(peer=OURS)
def the_next_program_begins_with_nothing():
    with Session("calls", "3", options=["--multi"]) as s:
        trace(s, "follow:-1;mode=count")
        s.finish()
        check(s.xfer("qtrace", "blocks"), "blocks")
        equal(s.packet("!"), "OK", "extended")
        stop = s.packet("vRun;%s" % s.path.encode().hex())
        check(stop[:1] == "T", stop)
        equal(s.packet("qXfer:qtrace:read:maps:0,100"), "l", "maps")
        equal(s.packet("qXfer:qtrace:read:blocks:0,100")[:1], "E", "blocks")


@case(peer=OURS)
def monitor_has_the_same_verbs():
    with Session("calls", "3") as s:
        def monitor(text):
            s.send("qRcmd," + ("trace " + text).encode().hex())
            out = ""
            while True:
                reply = s.receive(5).decode()
                if reply[:1] != "O" or reply == "OK":
                    return reply, out
                out += bytes.fromhex(reply[1:]).decode()
        equal(monitor("follow -1;mode=count"), ("OK", ""), "follow")
        reply, out = monitor("stats")
        check(reply == "OK" and "\nthreads=1\n" in out, out)
        reply, out = monitor("help")
        for verb in re.search("verbs=([^;]*)", s.packet("qTrace:features")
                              )[1].split(","):
            check("  monitor trace %s " % verb in out, verb, out)
        equal(monitor(""), (reply, out), "of none")
        for text in "help stats", "stats help":
            equal(monitor(text), ("OK", "  monitor trace stats \n    every "
                                  "counter of the translator\n"), text)
        reply, out = monitor("statistics")
        check(reply[:1] == "E" and "no such verb" in out + reply, reply, out)
        reply, out = monitor("follow -1;mode=loud")
        check(reply[:1] == "E" and "mode is none" in out + reply, reply, out)


ODD = ("", "0", "-1", "p0.0", "p-1.-1", "zz", ",", ";", "=", ":", "0,0",
       "0,1", "1,ffffffffffffffff", "ffffffffffffffff,1", "-1;mode=",
       "-1;events=", "-1;buffer=", "module=", "mnemonic=;", "0;X", "0;X0,",
       "0;when=", "events;", "events;ffffffffffffffff,1",
       "events;0,ffffffffffffffff", "x" * 3000, "%s" * 9, "\u00e4")


def every_verb(s, seconds=20):
    """All of them are answered, whatever is asked; `run' is left out where
    it would call what is no function."""
    verbs = re.search("verbs=([^;]*)", s.packet("qTrace:features"))[1]
    for verb in verbs.split(","):
        for args in ODD:
            if verb == "run" and args[:1] in "0-p":
                continue
            s.packet("qTrace:" + verb + ":" * bool(args) + args, seconds)
            s.send("qRcmd," + ("trace %s %s" % (verb, args)).encode().hex())
            while (reply := s.receive(seconds)) != b"OK" \
                    and reply[:1] == b"O":
                pass
    for annex in re.search("annexes=([^;]*)", s.packet("qTrace:features")
                           )[1].split(","):
        for piece in "0,10", "ffffffffffffffff,1", "0,0", "", "0", "0,zz":
            s.packet("qXfer:qtrace:read:%s:%s" % (annex, piece), seconds)


@case(peer=OURS, seconds=200)
def every_verb_is_answered_in_every_state():
    with Session("calls", "3") as s:
        every_verb(s)                   # before the first resume
        s.finish()
        every_verb(s)                   # after the end
    with followed("calls", "3", how=";mode=count") as s:
        every_verb(s)                   # while stopped
        s.finish()
        every_verb(s)
    with NonStop("threads", "2", "forever") as s:
        trace(s, "follow:-1;mode=flow")
        equal(s.packet("vCont;c"), "OK", "vCont")
        every_verb(s)                   # while it runs
        check("features" in s.packet("qTrace:features"), "it lives")


if __name__ == "__main__":
    raise SystemExit(main())
