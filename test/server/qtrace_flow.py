#!/usr/bin/env python3
"""qTrace's mode=flow: all that was executed, as profiles, timelines and a
trace file; at stops, after the end, after a SIGKILL."""
import json
import os
import re
import signal
import subprocess
import tempfile

from qtracing import followed, refused, trace, xfer_error
from rsp import OPTIONS, Session, case, check, equal, main

OURS = "it does not translate"
FEATURES = "multiprocess+;swbreak+;hwbreak+;vContSupported+;error-message+"


def folded(s):
    """{stack: weight}"""
    out = {}
    for line in s.xfer("qtrace", "stacks.folded").decode().splitlines():
        stack, _, weight = line.rpartition(" ")
        out[stack] = int(weight)
    return out


def calls(s):
    """{(caller, callee): calls} of a callgrind file."""
    out, function, callee, names = {}, None, None, {}
    for line in s.xfer("qtrace", "profile.callgrind").decode().splitlines():
        m = re.fullmatch(r"(fn|cfn)=\((\d+)\)(?: (.*))?", line)
        if m:
            name = names.setdefault(m[2], m[3])
            if m[1] == "fn":
                function = name
            else:
                callee = name
        m = re.match(r"calls=(\d+) ", line)
        if m:
            key = function, callee
            out[key] = out.get(key, 0) + int(m[1])
    return out


CHAIN = {("main", "work"): 5, ("work", "middle"): 5, ("middle", "leaf"): 5}


def has_chain(s):
    found = calls(s)
    equal({k: found.get(k) for k in CHAIN}, CHAIN, "calls")
    stacks = folded(s)
    check(any(x.endswith("work;middle;leaf") for x in stacks), stacks)
    events = json.loads(s.xfer("qtrace", "timeline.json"))
    events = events["traceEvents"] if isinstance(events, dict) else events
    names = [e.get("name") for e in events if e.get("ph") in ("B", "X")]
    equal(names.count("leaf"), 5, "in the timeline")


@case(peer=OURS, seconds=60)
def it_can_be_read_at_a_stop_and_at_the_end():
    with followed("calls", "5", how=";mode=flow") as s:
        s.run_to("done")
        has_chain(s)
        s.finish()
        has_chain(s)
        reply = s.packet("qTrace:recorded")
        check(re.search("record-bytes=[1-9a-f][0-9a-f]*;record-bytes-lost=0;",
                        reply), reply)


@case(peer=OURS, seconds=60)
def the_record_is_a_trace_file():
    with followed("calls", "5", how=";mode=flow") as s:
        s.finish()
        data = s.xfer("qtrace", "record")
        check(data.startswith(b"tracestub trace\n"), data[:20])
        with tempfile.NamedTemporaryFile(prefix="tracestub-test.") as f:
            f.write(data)
            f.flush()
            text = subprocess.run(
                [OPTIONS.server, "report", "--format=folded", f.name],
                capture_output=True, check=True, timeout=60).stdout.decode()
        equal(text, s.xfer("qtrace", "stacks.folded").decode(), "folded")


@case(peer=OURS, seconds=60)
def a_sigkill_loses_nothing_of_it():
    with followed("threads", "4", "forever", how=";mode=flow") as s:
        s.run_to("all_there")
        s.start()
        os.kill(s.pid, signal.SIGKILL)
        equal(s.wait().kind, "X", "killed")
        equal(calls(s).get(("body", "in_thread")), 4, "calls")


@case(peer=OURS, seconds=60)
def a_record_that_is_too_small_is_cut():
    with followed("calls", "5", how=";mode=flow;buffer=4k") as s:
        s.finish()
        reply = s.packet("qTrace:recorded")
        check(re.search("record-bytes-lost=[1-9a-f]", reply), reply)
        check(len(s.xfer("qtrace", "record")) <= 4096, "too much")


@case(peer=OURS)
def mistakes_are_named():
    with Session("calls", features=FEATURES) as s:
        check("follow with mode=flow" in xfer_error(s, "stacks.folded"), "why")
        refused(s, "follow:-1;mode=flow;events=call", "belong to mode=trace")
        refused(s, "recorded:1", "takes no arguments")
        trace(s, "recorded", "events=0;events-lost=0;values-lost=0;"
              "record-bytes=0;record-bytes-lost=0;")


if __name__ == "__main__":
    raise SystemExit(main())
