#!/usr/bin/env python3
"""What `tracestub trace` records: coverage and counts, against single steps."""
import collections
import json
import os
import pty
import re
import shutil
import subprocess
import tempfile
import time

from rsp import OPTIONS, case, check, equal, inferior, main
from traced import counts, drcov, events, stepped, trace, traced

OURS = "the translator's"


def symbol(name, function):
    out = subprocess.run(["nm", inferior(name)], capture_output=True,
                         check=True).stdout.decode()
    return int(re.search(r"^([0-9a-f]+) \w %s$" % function, out, re.M)[1], 16)


def offsets(blocks, path):
    return {b[1] for b in blocks if b[0] == path}


def same_as_stepping(name, status, *args):
    """All but the very first instruction, which the program has left behind
    when the cache has been mapped."""
    steps_status, steps, begin = stepped(name, *args)
    equal(steps_status, status, "status, stepped")
    blocks, (_, instructions) = counts(
        traced("--count", name, *args, status=status))
    by_pc = {}
    for (path, offset, size), (count, _) in blocks.items():
        for at in range(offset, offset + size):
            by_pc[path, at] = by_pc.get((path, at), 0) + count
    first = steps.pop(begin) - by_pc.pop(begin, 0)
    check(first in (0, 1), "the first instruction", first)
    wrong = [(where, n, by_pc.get(where)) for where, n in steps.items()
             if by_pc.get(where) != n]
    check(not wrong, "counts that differ:", len(wrong), wrong[:5])
    equal(instructions, sum(steps.values()) + 1 - first, "instructions")


@case(peer=OURS, seconds=120)
def counts_are_those_of_single_steps():
    same_as_stepping("covered", 3, "plain")
    same_as_stepping("covered-static", 3, "plain")


@case(peer=OURS)
def coverage_is_what_has_a_count():
    covered = drcov(traced("--coverage", "covered", "plain", status=3))
    counted, _ = counts(traced("--count", "covered", "plain", status=3))
    equal(covered, set(counted), "blocks")
    here = offsets(covered, inferior("covered"))
    check(symbol("covered", "fib") in here, "fib was executed")
    check(symbol("covered", "never") not in here, "never was not")


@case(peer=OURS)
def what_is_covered_stays_so_when_it_says_so_no_more():
    with tempfile.NamedTemporaryFile(prefix="tracestub-test.") as f:
        covered = drcov(traced("--coverage", "covered", "long", status=3,
                               more=["--stats=" + f.name]))
        removed = int(re.search(r"^stores_removed (\d+)$", f.read().decode(),
                                re.M)[1])
    check(100 < removed <= len(covered), "stores removed", removed)
    path = inferior("covered")
    short = offsets(drcov(traced("--coverage", "covered", "plain", status=3)),
                    path)
    here = offsets(covered, path)
    missing = {at for at in short - here if at < symbol("covered", "main")}
    check(not missing, "blocks", missing)


@case(peer=OURS)
def modules_are_chosen_by_globs():
    path = inferior("covered")
    every = drcov(traced("--coverage", "covered", "plain", status=3))
    for more, want in (
            (["--include=covered"], {path}),
            (["--include=*/covered", "--exclude=*"], set()),
            (["--exclude=libc.*", "--exclude=ld-*"],
             {b[0] for b in every if not re.search(r"/(libc\.|ld-)", b[0])})):
        got = drcov(traced("--coverage", "covered", "plain", status=3,
                           more=more))
        equal({b[0] for b in got}, want, more)
        equal(got, {b for b in every if b[0] in want}, more)


@case(peer=OURS)
def a_library_that_is_unloaded_is_there_after_a_sigkill():
    for option, read in (("--coverage", drcov),
                         ("--count", lambda data: counts(data)[0])):
        got = read(traced(option, "covered", "unload", status=137))
        paths = {os.path.basename(b[0]) for b in got}
        check("libm.so.6" in paths, option, paths)


def ran(blocks, function):
    """Was a block near its start executed? SIGCHLD may come in just there, and
    its first instruction is executed by itself then."""
    start, path = symbol("covered", function), inferior("covered")
    return any(b[0] == path and start <= b[1] < start + 16 for b in blocks)


@case(peer=OURS)
def children_are_merged_when_they_are_followed():
    alone = drcov(traced("--coverage", "covered", "fork"))
    check(ran(alone, "in_parent"), "the parent alone")
    check(not ran(alone, "in_child"), "the child alone")
    both = drcov(traced("--coverage", "covered", "fork",
                        more=["--follow-forks"]))
    check(ran(both, "in_parent") and ran(both, "in_child"), "both")
    counted, _ = counts(traced("--count", "covered", "fork",
                               more=["--follow-forks"]))
    check(ran(counted, "in_parent") and ran(counted, "in_child"), "counts")


@case(peer=OURS)
def what_ran_before_an_exec_is_kept():
    path = inferior("covered")
    here = offsets(drcov(traced("--coverage", "covered", "exec", status=3)),
                   path)
    check(symbol("covered", "in_parent") in here, "before")
    check(symbol("covered", "fib") in here, "after")


def traced_events(kinds, name, *args, status=0):
    return events(traced("--trace", name, *args, status=status,
                         more=["--events=" + kinds]))


@case(peer=OURS)
def events_are_what_was_counted():
    """As many blocks and instructions, and the same ones; after a SIGKILL
    too."""
    for mode, status in ("plain", 3), ("unload", 137):
        counted, totals = counts(traced("--count", "covered", mode,
                                        status=status))
        got, modules = traced_events("block,exec", "covered", mode,
                                     status=status)
        equal((sum(e[1] == "block" for e in got),
               sum(e[1] == "exec" for e in got)), totals, "events " + mode)
        base = {path: base for base, _, path in modules}
        blocks = collections.Counter(e[3:] for e in got if e[1] == "block")
        equal(blocks, {(base[path] + offset, base[path] + offset + size): n
                       for (path, offset, size), (n, _) in counted.items()},
              "blocks " + mode)


@case(peer=OURS)
def calls_and_returns_go_where_they_say():
    got, _ = traced_events("call,ret,exec", "covered", "plain", status=3)
    depth = 0
    pending = None
    seen = collections.Counter()
    for _, kind, at, start, end in got:
        equal(at, depth, "depth")
        if kind == "exec":
            check(pending in (None, start), "went elsewhere", pending, start)
            last, pending = start, None
            continue
        seen[kind] += 1
        equal(start, last, "it is the last instruction")
        depth += 1 if kind == "call" else -1
        pending = end
    check(seen["call"] > 1000 and seen["ret"] > 1000, seen)
    alone, _ = traced_events("ret", "covered", "plain", status=3)
    equal([e[1:] for e in alone], [e[1:] for e in got if e[1] == "ret"],
          "returns alone")


@case(peer=OURS)
def threads_have_events_of_their_own():
    got, modules = traced_events("exec", "covered", "pair")
    base = next(m[0] for m in modules if m[2] == inferior("covered"))
    start = base + symbol("covered", "fib")
    end = base + symbol("covered", "once")
    work = collections.defaultdict(list)
    for tid, _, _, pc, _ in got:
        if start <= pc < end:
            work[tid].append(pc)
    equal(len(work), 2, "threads")
    one, other = work.values()
    check(len(one) > 1000, "instructions", len(one))
    equal(one, other, "what they executed")


@case(peer=OURS)
def excluded_calls_run_natively_and_come_back():
    """Direct, through pointers and PLTs; with signals and threads."""
    path = inferior("covered")
    every = drcov(traced("--coverage", "covered", "plain", status=3))
    with tempfile.NamedTemporaryFile(prefix="tracestub-test.") as f:
        got = drcov(traced("--coverage", "covered", "plain", status=3,
                           more=["--native=libc.so*", "--stats=" + f.name]))
        calls = int(re.search(r"^excluded_calls (\d+)$", f.read().decode(),
                              re.M)[1])
    check(calls >= 3, "calls", calls)
    compare = symbol("covered", "compare")
    mine = {b for b in every if b[0] == path}
    missing = {b[1] for b in mine - got}
    check(compare in missing, "what qsort calls runs natively")
    check(all(compare <= at < compare + 64 for at in missing), "ours", missing)
    libc = [sum("libc.so" in b[0] for b in blocks) for blocks in (got, every)]
    check(libc[0] < libc[1] / 3, "blocks of libc", libc)


@case(peer=OURS)
def depth_is_kept_across_excluded_calls():
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        path = os.path.join(tmp, "file")
        status, _, err = trace(
            ["--events=call,ret,exec", "--trace=" + path, "--native=libc.so*",
             "--disable-randomization"], "covered", "plain")
        equal((status, err), (3, ""), "status")
        with open(path, "rb") as f:
            got, modules = events(f.read())
    base = next(m[0] for m in modules if m[2] == inferior("covered"))
    fib = base + symbol("covered", "fib")
    work = base + symbol("covered", "work")
    calls = [e for e in got if e[1] == "call" and e[4] == fib]
    plain = {e[2] for e in got if e[1] == "call" and e[4] == work}
    equal(len(plain), 1, "calls of work")
    outermost = min(e[2] for e in calls)
    equal(outermost, plain.pop() + 1, "depth of fib")


@case(peer=OURS, seconds=120)
def a_small_cache_loses_nothing():
    def both(option, *more):
        return [traced(option, "tr_block", status=0, more=[*more, *size])
                for size in ([], ["--cache-size=1M"])]
    large, small = both("--count")
    check(large.count(b"\n") > 10000, "blocks", large.count(b"\n"))
    check(large == small, "counts differ")
    large, small = (drcov(x) for x in both("--coverage"))
    check(large == small, "coverage differs", len(large), len(small))
    large, small = ([line.partition(b" ")[2] for line in x.splitlines()
                     if not line.startswith(b"#")]
                    for x in both("--trace", "--events=block,call,ret"))
    check(large == small, "events differ", len(large), len(small))


@case(peer=OURS)
def a_cache_has_a_size():
    for text in "1", "1023k", "2G", "big", "-1M", "":
        status, out, err = trace(["--cache-size=" + text], "covered", "plain")
        equal((status, out), (125, ""), text)
        check("a cache has 1M to 1G bytes" in err, err)
    equal(trace(["--cache-size=1M"], "covered", "plain")[0], 3, "status")


@case(peer=OURS)
def excluded_code_in_threads_and_before_an_exec():
    for mode, want in ("pair", 0), ("exec", 3), ("fork", 0), ("unload", 137):
        for more in (), ("--follow-forks",):
            status, _, err = trace(["--native=libc.so*", *more], "covered",
                                   mode)
            equal((status, err), (want, ""), mode)


@case(peer=OURS)
def mistakes_are_told_before_the_program_runs():
    status, out, err = trace(["--coverage=/nowhere/file"], "covered", "plain")
    equal((status, out), (125, ""), "a file that cannot be written")
    check("cannot write /nowhere/file: No such file or directory" in err, err)
    status, out, err = trace(["--coverage=/dev/null", "--count"], "covered")
    equal((status, out), (125, ""), "two modes")
    check("one of them at a time" in err, err)
    for pid in "0.5", "1e10", "0", "-1", " 1", "", "4294967297":
        status, out, err = trace(["--pid=" + pid], "covered")
        equal((status, out), (125, ""), pid)
        check("%s is no process id" % pid in err, err)
    for seconds in "0", "inf", "nan", "-1", "1s":
        status, out, err = trace(["--duration=" + seconds], "covered")
        equal((status, out), (125, ""), seconds)
        check("%s is no number of seconds" % seconds in err, err)
    status, out, err = trace(["--stats=/dev/full"], "covered", "plain")
    equal(status, 3, "of the program")
    check("writing /dev/full failed: No space left on device" in err, err)


@case(peer=OURS)
def a_limit_to_the_size_of_files_is_an_error():
    """Of the memory that is shared; the program has its own signals."""
    limited = ["sh", "-c", "ulimit -f 10; exec \"$@\"", "sh"]
    done = subprocess.run(limited + [OPTIONS.server, "trace", "--", "true"],
                          check=False, capture_output=True, timeout=60)
    equal(done.returncode, 125, done.stderr)
    check(b"File too large" in done.stderr, done.stderr)
    ignored = ["grep", "SigIgn", "/proc/self/status"]
    done = subprocess.run([OPTIONS.server, "trace", "--"] + ignored,
                          check=True, capture_output=True, timeout=60)
    equal(done.stdout, subprocess.run(ignored, check=True,
                                      capture_output=True).stdout, "ignored")


def on_a_terminal(own_output):
    """What is on it in the end, of a program that sleeps for a while."""
    ours, its = pty.openpty()
    with subprocess.Popen([OPTIONS.server, "trace", "--", "sleep", "3"],
                          stdout=its if own_output else subprocess.DEVNULL,
                          stderr=its) as p:
        os.close(its)
        shown = b""
        try:
            while True:
                shown += os.read(ours, 4096)
        except OSError:     # the other end is closed
            pass
        equal(p.wait(), 0, "exit status")
    os.close(ours)
    return shown


@case(peer=OURS)
def progress_is_shown_where_it_disturbs_nobody():
    shown = on_a_terminal(False)
    check(re.search(rb"\d+ blocks translated", shown), shown)
    check(shown.endswith(b"\r\x1b[K"), "it is not taken away", shown)
    equal(on_a_terminal(True), b"", "beside the program's own output")


def sleeps(pid):
    """How often that process has gone to sleep."""
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        return int(re.search(r"(?m)^voluntary_ctxt_switches:\s+(\d+)",
                             f.read())[1])


@case(peer=OURS)
def while_nothing_happens_it_sleeps():
    """Some time after the start; it was 500 times a second once."""
    with subprocess.Popen([OPTIONS.server, "trace", "--", "sleep", "300"]) as p:
        seen = []
        while len(seen) < 4 or (sum(seen[-4:]) >= 60 and len(seen) < 40):
            before = sleeps(p.pid)
            time.sleep(0.5)
            seen.append(sleeps(p.pid) - before)
        p.terminate()
    check(sum(seen[-4:]) < 60, "it wakes up again and again", seen)


@case(peer=OURS)
def names_in_documents_are_the_characters_that_they_have():
    """... whose bytes may be any; of a program's name, that is of all kinds."""
    name = b"gr\xc3\xb6\xc3\x9fe\x7f\x01\"\\<\xe2\x80\xa8\xf0\x9f\x98\x80"
    odd = b"\xed\xa0\x80\xff"
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        program = os.path.join(tmp.encode(), name + odd)
        out = os.path.join(tmp, "out.json")
        shutil.copy(inferior("profiled"), program)
        subprocess.run([OPTIONS.server, "trace", "--perfetto=" + out, "--",
                        program, "plain"], stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=60, check=False)
        with open(out, "rb") as f:
            document = json.loads(f.read())
    said = {e["args"]["name"] for e in document["traceEvents"]
            if e.get("name") == "process_name"}
    want = name.decode() + odd.decode("latin-1")
    check(any(want in x for x in said), said)


if __name__ == "__main__":
    raise SystemExit(main())
