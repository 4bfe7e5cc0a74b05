#!/usr/bin/env python3
"""Files that are made of all that a program executed, each by a reader that is
not ours, against other tools and against each other."""
import os
import re
import shutil
import signal
import struct

from readers import (Files, annotate, callgrind, drcov3, folded, fxt, lcov,
                     needs, perfetto, run)
from rsp import OPTIONS, Skip, case, check, equal, inferior, main
from traced import counts, drcov

OURS = "the translator's"

# Of profiled.c: what calls nothing of the C library.
PURE = ["fib", "is_even", "is_odd", "twice", "thrice", "pass_on", "classify",
        "plain"]
# The same of hops.c.
PURE_HOPS = ["leaf", "helper", "tree", "passes_on", "any"]
PURE_REGULAR = ["leaf", "helper", "passes_on", "any", "regular", "deep", "ends",
                "goes_on", "goes_by_name", "goes_again", "sets_flags",
                "reads_flags"]
PURE_CHILDREN = ["leaf", "helper", "grows", "bears"]
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "../inferiors/profiled.c")


# --- callgrind ---------------------------------------------------------------

@case(peer=OURS, seconds=120)
def costs_are_those_that_callgrind_counts():
    needs("valgrind", "callgrind_annotate")
    with Files() as f:
        f.trace({"callgrind": "ours"}, "profiled", "plain")
        run(["valgrind", "--tool=callgrind", "--skip-plt=no",
             "--callgrind-out-file=" + f.path("theirs"),
             inferior("profiled"), "plain"], 3)
        for more in ["--inclusive=no"], ["--inclusive=yes"]:
            ours, theirs = (annotate(f.path(x), *more)[inferior("profiled")]
                            for x in ("ours", "theirs"))
            # Of tail calls in a circle it has longer chains than two.
            levels = ["", "'2"] if "no" in more[0] else [""]
            for name in [f + x for f in PURE for x in levels]:
                equal(ours.get(name), theirs.get(name),
                      "%s %s" % (more[0], name))
            check(ours["plain"] > 500, "cost of plain", ours)


@case(peer=OURS)
def a_profile_adds_up():
    with Files() as f:
        f.trace({"callgrind": "cg", "folded": "folded", "counts": "counts"},
                "profiled-O0", "jumps")
        costs, calls, total, _ = callgrind(f.read("cg").decode())
        _, (_, instructions) = counts(f.read("counts"))
        stacks = folded(f.read("folded"))
        equal(sum(stacks.values()), total, "of the stacks")
        check(0 <= instructions - total < 100, "of the counts", instructions,
              total)
        plain, = {k for k in stacks if k[-1] == "plain"}
        equal(plain[-2:], ("main", "plain"), "who calls plain")
        check(all(k[:len(plain)] == plain for k in stacks if "fib" in k),
              "fib is only called in plain")
        fib = sum(v for k, v in stacks.items() if k[-1] == "fib")
        equal(fib, costs["fib"][0] + costs["fib'2"][0], "fib")
        equal(calls["plain", "fib"][0], 1, "calls of fib")
        equal(calls["fib'2", "fib'2"][0] + calls["fib", "fib'2"][0],
              sum(1 for _ in fib_calls(12)) - 1, "calls of fib by itself")


@case(peer=OURS, seconds=120)
def calls_alone_make_the_profile_that_all_blocks_make():
    """With nothing else to be made of a run, blocks count themselves."""
    for program, mode, pure, status in [
            ("profiled", "plain", PURE, 3), ("profiled", "jumps", PURE, 3),
            ("profiled", "threads", PURE, 3), ("hops", "", PURE_HOPS, 0),
            ("hops-lazy", "", PURE_HOPS, 0),
            ("hops", "regular", PURE_REGULAR, 0),
            ("hops", "children", PURE_CHILDREN, 0)]:
        forks = {"follow-forks": None} if mode == "children" else {}
        with Files() as f:
            f.trace({"callgrind": "alone", **forks}, program, mode,
                    status=status)
            f.trace({"callgrind": "all", "counts": "counts", **forks},
                    program, mode, status=status)
            (a, x, _, mine), (b, y, _, _) = (
                callgrind(f.read(n).decode()) for n in ("alone", "all"))
        mine = mine[inferior(program)]
        check_sums(a, x, mine if mode not in ("children", "threads") else ())
        check(len(mine) > 10, "functions", mine)
        # What the C library costs may differ from run to run.
        for name in mine:
            equal(a[name][0], b[name][0],
                  "%s %s: own cost of %s" % (program, mode, name))
        for k in sorted({k for k in {**x, **y} if mine.issuperset(k)}):
            known = slice(2 if set(pure).issuperset(
                n.removesuffix("'2") for n in k) else 1)
            equal(x[k][known], y[k][known],
                  "%s %s: calls %s" % (program, mode, k))


def check_sums(costs, calls, names):
    """What is called costs what it executes and calls."""
    rest = {}
    for name, (own, _) in costs.items():
        name = name.removesuffix("'2")
        rest[name] = rest.get(name, 0) - own
    for (caller, called), (_, cost) in calls.items():
        for name, part in (caller, -cost), (called, cost):
            name = name.removesuffix("'2")
            rest[name] = rest.get(name, 0) + part
    equal({k for k in rest if rest[k] and k in names} - {"_start"}, set(),
          "sums")


@case(peer=OURS)
def regular_calls_are_added_up_by_the_program():
    """Nobody reads them: so it hardly ever stops for that."""
    with Files() as f:
        f.trace({"callgrind": "cg", "stats": "stats"}, "hops", "regular",
                status=0)
        drains, = re.findall(r"^drains (\d+)$", f.read("stats").decode(), re.M)
    check(int(drains) < 60, "stops because a ring was full", drains)


def both_levels(costs):
    """{function or (caller, called): [own cost, or calls]}"""
    out = {}
    for k, v in costs.items():
        names = k if isinstance(k, tuple) else (k,)
        names = tuple(n.removesuffix("'2") for n in names)
        out[names] = out.get(names, 0) + v[0]
    return out


@case(peer=OURS, seconds=120)
def signals_lose_no_calls():
    """Wherever in a call or return they come. What they interrupt between two
    blocks may be told as called by something else: one call for each. But what
    ends handlers goes back, and calls nothing."""
    with Files() as f:
        f.trace({"callgrind": "regular"}, "hops", "regular", status=0)
        f.trace({"callgrind": "signals"}, "hops", "signals", status=0)
        regular, signals = (callgrind(f.read(n).decode())
                            for n in ("regular", "signals"))
    for (x, y) in zip(map(both_levels, regular[:2]),
                      map(both_levels, signals[:2])):
        handled = sum(n for k, n in y.items() if k[-1] == "handler")
        for k in x:
            if not set(PURE_REGULAR).issuperset(k):
                continue
            if len(k) == 1:
                equal(y[k], x[k], "own cost of %s" % k)
            else:
                check(abs(y[k] - x[k]) <= handled, "calls", k, x[k], y[k],
                      handled)
    equal({k for k in signals[1] if k[0].startswith("__restore_rt")}, set(),
          "calls by __restore_rt")


def fib_calls(n):
    yield n
    if n >= 2:
        yield from fib_calls(n - 1)
        yield from fib_calls(n - 2)


@case(peer=OURS)
def jumps_signals_and_tail_calls_leave_the_stack_in_order():
    with Files() as f:
        f.trace({"folded": "folded", "callgrind": "cg"}, "profiled", "jumps")
        stacks = folded(f.read("folded"))
        _, calls, _, _ = callgrind(f.read("cg").decode())

    def contexts(name):
        return {k[:k.index(name)] for k in stacks if name in k}

    main_, = contexts("jumps")
    equal(main_[-1], "main", "who calls jumps")
    jumps = main_ + ("jumps",)
    equal(contexts("after_signal"), {jumps}, "behind a handler")
    equal(contexts("catches"), {jumps}, "behind a longjmp")
    check({k for k in stacks if k[-2:] == ("catches", "twice")},
          "behind setjmp's second return")
    deepest = max(k.count("dive") for k in stacks)
    equal(deepest, 8, "depth of dive")
    check(all("raise" in k or "handler" in k[-1] or
              any("raise" in x or "kill" in x for x in k)
              for k in contexts("in_handler")), contexts("in_handler"))
    equal(sum(n for (_, to), (n, _) in calls.items() if to == "in_handler"), 5,
          "calls in handlers")
    # pass_on jumps to what it passes on to.
    equal(calls["pass_on", "twice"][0], 25, "tail calls")
    equal(contexts("pass_on"), {main_ + ("plain",)}, "who calls pass_on")


@case(peer=OURS)
def what_has_no_symbols_has_functions_all_the_same():
    with Files() as f:
        f.trace({"callgrind": "cg"}, "profiled-stripped", "plain")
        _, calls, _, objects = callgrind(f.read("cg").decode())
    mine = objects[inferior("profiled-stripped")]
    check({to for _, to in calls} & {"printf@plt", "__printf_chk@plt"},
          "no stub of the PLT", mine)
    named = {x for x in mine if re.fullmatch("0x[0-9a-f]+", x)}
    check(len(named) >= len(PURE), "functions out of .eh_frame", mine)


@case(peer=OURS)
def parts_that_nobody_names_are_of_the_function_they_go_back_into():
    places = {n: int(a, 16) for a, n in re.findall(
        r"^(\w+) t (\S+)$", run(["nm", inferior("parts")])[0].decode(),
        re.M)}
    if "parted.cold" not in places:
        raise Skip("the compiler leaves it in one piece")
    seen = []
    for program in "parts", "parts-stripped":
        with Files() as f:
            f.trace({"callgrind": "cg"}, program, status=0)
            costs, calls, _, _ = callgrind(f.read("cg").decode())
        name = {n: n if program == "parts" else "%#x" % places[n]
                for n in ("parted", "often", "rare")}
        seen.append([costs[name[n]] for n in name] +
                    [calls.get((name["parted"], name[n])) for n in name])
        check("%#x" % places["parted.cold"] not in costs, "the part", program)
    equal(seen[1], seen[0], "without symbols")
    equal([n and n[0] for n in seen[0][3:]], [None, 2000, 63], "calls")


@case(peer=OURS)
def stubs_of_functions_that_are_chosen_at_the_start_have_names():
    """Relocations of those have no symbol."""
    with Files() as f:
        f.trace({"callgrind": "cg"}, "calls-static", status=0)
        costs, calls, _, _ = callgrind(f.read("cg").decode())
    to = {(a, b) for a, b in calls if a in ("strlen@plt", "memcpy@plt")}
    check(to and all(re.fullmatch("__(strlen|mem(cpy|move))_.*", b)
                     for _, b in to), "what stubs lead to", to)
    check(".plt" not in costs, "a stub without a name", costs.get(".plt"))


@case(peer=OURS, seconds=60)
def stacks_that_nobody_could_see_are_put_together():
    """No cost is lost, and what is shown is large enough."""
    if not os.path.exists("/usr/bin/python3"):
        raise Skip("no Python is here")
    with Files() as f:
        run([OPTIONS.server, "trace", "--folded=" + f.path("folded"),
             "--callgrind=" + f.path("cg"), "--", "/usr/bin/python3", "-S",
             "-c", "pass"])
        stacks = folded(f.read("folded"))
        total = callgrind(f.read("cg").decode())[2]
    equal(sum(stacks.values()), total, "of the stacks")
    least = total // 20000
    check(least > 100, "it is a small program", total)
    less = {k[:-1] for k in stacks if k[-1] == "[less]"}
    check(less, "nothing is small")
    whole = {}
    for k, v in stacks.items():
        for n in range(1, len(k) + 1):
            whole[k[:n]] = whole.get(k[:n], 0) + v
    check(all(v >= least for k, v in whole.items() if k[-1] != "[less]"),
          "something small is shown")


def flamegraph():
    """With Debian's libdevel-nytprof-perl it lies where nobody finds it."""
    for name in (shutil.which("flamegraph.pl"),
                 "/usr/share/perl5/Devel/NYTProf/flamegraph.pl",
                 os.environ.get("FLAMEGRAPH")):
        if name and os.path.exists(name):
            return name
    raise Skip("no flamegraph.pl is here")


@case(peer=OURS, seconds=60)
def flamegraph_pl_takes_stacks():
    script = flamegraph()
    with Files() as f:
        f.trace({"folded": "folded"}, "profiled", "plain")
        stacks = folded(f.read("folded"))
        out, err = run(["perl", script, "--minwidth=0", f.path("folded")])
    equal(err, b"", "what it says")
    shown = [(m[1], int(m[2].replace(",", ""))) for m in re.finditer(
        r"<title>([^<]*) \(([\d,]+) samples, ", out.decode())]
    equal([n for name, n in shown if name == "plain"],
          [sum(v for k, v in stacks.items() if "plain" in k)], "plain")
    # A frame for each of its places on a stack.
    places = {k[:i + 1] for k in stacks for i, x in enumerate(k) if x == "fib"}
    equal(sum(name == "fib" for name, _ in shown), len(places), "fib")


@case(peer=OURS, seconds=60)
def names_of_cxx_are_those_of_the_source():
    if not os.path.exists(inferior("tr_throw")):
        raise Skip("there is no C++ compiler")
    needs("nm", "c++filt")
    out, _ = run(["nm", inferior("tr_throw")], 0)
    mangled = [x.split()[-1] for x in out.decode().splitlines()
               if re.search(" [tTW] _Z", x)]
    out, _ = run(["c++filt", *mangled], 0)
    plain = dict(zip(mangled, out.decode().splitlines()))
    with Files() as f:
        f.trace({"folded": "folded", "callgrind": "cg", "lcov": "lcov"},
                "tr_throw", "handlers", status=0)
        names = {x for k in folded(f.read("folded")) for x in k}
        ran = callgrind(f.read("cg").decode())[0]
        lines = f.read("lcov").decode()
    check("counted::counted(long)" in names, "no constructor", sorted(names))
    equal([x for x in names if x in mangled], [], "mangled")
    check(all(x in ran for x in names & set(plain.values())), "callgrind's")
    check("_ZN7countedC1El" in lines, "genhtml demangles itself")


@case(peer=OURS)
def threads_have_stacks_of_their_own():
    with Files() as f:
        f.trace({"folded": "folded", "perfetto": "json"}, "profiled",
                "threads")
        stacks = folded(f.read("folded"))
        calls, threads = perfetto(f.read("json"))
    alone = sum(v for k, v in stacks.items()
                if "main" in k and k[-1] == "fib")
    others = sum(v for k, v in stacks.items()
                 if "in_thread" in k and k[-1] == "fib")
    check(alone > 0, "fib in main")
    equal(others, 4 * alone, "fib in four threads")
    equal((threads, calls["in_thread"]), (5, 4), "threads")


# --- lcov --------------------------------------------------------------------

def gcov_counts(folder, *args):
    """{line: count} of profiled.c, built with --coverage."""
    needs("gcc", "gcov")
    program = os.path.join(folder, "instrumented")
    run(["gcc", "-g", "-O0", "-pthread", "--coverage", "-o", program, SOURCE],
        cwd=folder)
    run([program, *args], 3, cwd=folder)
    out, _ = run(["gcov", "--stdout", "instrumented-profiled.gcda"], cwd=folder)
    found = {}
    for line in out.decode().splitlines():
        m = re.match(r" *(\d+|#####)\*?: *(\d+):", line)
        if m:
            found[int(m[2])] = 0 if m[1] == "#####" else int(m[1])
    return found


@case(peer=OURS, seconds=60)
def lines_have_the_counts_that_gcov_gives_them():
    for mode in "plain", "jumps":
        with Files() as f:
            f.trace({"lcov": "lcov"}, "profiled-O0", mode)
            files = lcov(f.read("lcov"))
            ours, functions = next(
                v for k, v in files.items() if k.endswith("/profiled.c"))
            theirs = gcov_counts(f.folder, mode)
        wrong = {n: (ours.get(n), c) for n, c in theirs.items()
                 if ours.get(n) != c}
        # setjmp returns twice to its line, which gcov does not see.
        if mode == "jumps":
            equal(list(wrong.values()), [(10, 5)], "setjmp's line")
            wrong = {}
        check(not wrong, mode, "line: ours, gcov's:", wrong)
        check(len(theirs) > 50, "lines", len(theirs))
        equal(functions["fib"][1], sum(1 for _ in fib_calls(12)), "calls")
        equal(functions["crash"][1], 0, "what was not called")


@case(peer=OURS)
def genhtml_takes_it():
    needs("genhtml", "lcov")
    with Files() as f:
        f.trace({"record": "record"}, "profiled-O0", "plain")
        with open(f.path("lcov"), "wb") as out:
            out.write(f.report("lcov", "record", "--include=profiled-O0"))
        equal([os.path.basename(x) for x in lcov(f.read("lcov"))],
              ["profiled.c"], "files")
        run(["genhtml", "-q", "-o", f.path("html"), f.path("lcov")])
        pages = [n for _, _, names in os.walk(f.path("html")) for n in names]
        check("profiled.c.gcov.html" in pages, pages)


@case(peer=OURS)
def coverage_of_several_runs_becomes_lines():
    with Files() as f:
        for name, mode in ("a", "plain"), ("b", "jumps"):
            f.trace({"coverage": name + ".drcov"}, "profiled-O0", mode)

        def lines(*names):
            with_merge = ["--merge"] if len(names) > 1 else []
            out = run([OPTIONS.server, "report", "--format=lcov",
                       "--include=profiled-O0", *with_merge,
                       *(f.path(n + ".drcov") for n in names)])[0]
            (found, _), = lcov(out).values()
            return {n for n, c in found.items() if c}

        plain, jumps, both = lines("a"), lines("b"), lines("a", "b")
        check(plain < both and both == plain | jumps, len(plain), len(both))
        f.trace({"lcov": "lcov"}, "profiled-O0", "jumps")
        exact, = (v[0] for k, v in lcov(f.read("lcov")).items()
                  if k.endswith("/profiled.c"))
        equal(jumps, {n for n, c in exact.items() if c}, "lines")


# --- timelines ---------------------------------------------------------------

@case(peer=OURS)
def both_timelines_tell_the_same():
    with Files() as f:
        f.trace({"perfetto": "json", "fxt": "fxt", "callgrind": "cg"},
                "profiled", "jumps")
        ours, threads = perfetto(f.read("json"))
        same, also = fxt(f.read("fxt"))
        _, calls, _, _ = callgrind(f.read("cg").decode())
    equal((ours, threads), (same, also), "calls")
    for function in PURE + ["after_signal", "dive"]:
        counted = sum(n for (_, to), (n, _) in calls.items()
                      if to in (function, function + "'2"))
        equal(ours[function], counted, function)


def lines(data):
    return sorted(x.rstrip(b",") for x in data.split(b"\n"))


# --- drcov -------------------------------------------------------------------

@case(peer=OURS)
def both_versions_of_drcov_have_the_same_blocks():
    with Files() as f:
        f.trace({"record": "record"}, "covered", "plain")
        two = drcov(f.report("drcov", "record"))
        three = drcov3(f.report("drcov", "record", "--drcov-version=3"))
        equal(three, two, "blocks")
        for data in (f.report("drcov", "record"),
                     f.report("drcov", "record", "--drcov-version=3")):
            with open(f.path("a"), "wb") as out:
                out.write(data)
            equal(drcov(f.report("drcov", "a")), two, "read and written")
        run([OPTIONS.server, "trace", "--disable-randomization",
             "--coverage=" + f.path("c"), "--drcov-version=3", "--",
             inferior("covered"), "plain"], 3)
        here = inferior("covered")
        equal({b for b in drcov3(f.read("c")) if b[0] == here},
              {b for b in three if b[0] == here}, "of --coverage")


# --- the others --------------------------------------------------------------

@case(peer=OURS)
def tenet_has_each_instruction():
    with Files() as f:
        f.trace({"tenet": "tenet", "counts": "counts"}, "profiled", "jumps")
        lines = f.read("tenet").decode().splitlines()
        check(all(re.fullmatch("rip=0x[0-9a-f]+", x) for x in lines), "lines")
        _, (_, instructions) = counts(f.read("counts"))
        check(0 <= instructions - len(lines) < 100, len(lines), instructions)


@case(peer=OURS)
def an_edge_map_is_afls():
    with Files() as f:
        for name in "a", "b":
            f.trace({"afl-map": name}, "profiled", "plain")
        f.trace({"afl-map": "c"}, "profiled", "jumps")
        maps = [f.read(x) for x in "abc"]
    equal([len(x) for x in maps], 3 * [65536], "size")
    edges = [{i for i, n in enumerate(x) if n} for x in maps]
    check(len(edges[0]) > 200, "edges", len(edges[0]))
    check(len(edges[2] - edges[0]) > 20, "new ones", len(edges[2] - edges[0]))


@case(peer=OURS)
def a_crash_is_told_of():
    with Files() as f:
        _, err = run([OPTIONS.server, "trace", "--on-crash=report", "--last=5",
                      "--", inferior("profiled"), "crash"],
                     128 + signal.SIGSEGV)
        text = err.decode()
        lines = text.splitlines()
        check(re.fullmatch(r"tracestub: process \d+ was killed by SIGSEGV, "
                           r"thread \d+; its last branches:", lines[0]), text)
        equal(len(lines), 8, "lines")
        server, program = map(os.path.abspath, (OPTIONS.server,
                                                inferior("profiled")))
        _, again = run([server, "trace", "--on-crash=report:-", "--last=5",
                        "--stats=-", "--", program, "crash"],
                       128 + signal.SIGSEGV, cwd=f.folder)
        again = again.decode().splitlines()
        equal(again[1:8], lines[1:], "on stderr by -")
        check("blocks_known" in " ".join(again[8:]), "counters", again)
        equal(os.listdir(f.folder), [], "files")
        check(re.search(r"^  crash\+0x\w+ \(profiled.c:\d+\) -> crash\+0x\w+ "
                        r"\(profiled.c:\d+\), 5 times$", text, re.M), text)
        check(re.fullmatch(r"  it was at crash\+0x\w+ \(profiled.c:\d+\)",
                           lines[-1]), lines[-1])
        run([OPTIONS.server, "trace", "--on-crash=report:" + f.path("crash"),
             "--", inferior("profiled"), "crash"], 128 + signal.SIGSEGV)
        check(b"killed by SIGSEGV" in f.read("crash"), "in the file")
        _, err = run([OPTIONS.server, "trace", "--on-crash=report",
                      "--record=" + f.path("trace"), "--",
                      inferior("profiled"), "crash"], 128 + signal.SIGSEGV)
        equal(f.report("crash", "trace"), err, "of the trace file")
        run([OPTIONS.server, "trace", "--crash=" + f.path("crash"), "--record="
             + f.path("trace"), "--", inferior("profiled"), "crash"],
            128 + signal.SIGSEGV)
        text = f.read("crash").decode()
        check(re.match(r"tracestub: process (\d+) was killed by SIGSEGV, "
                       r"thread \1; its last branches:\n", text), text)
        equal(f.report("crash", "trace").decode(), text, "of the trace file")
        f.trace({"record": "trace"}, "profiled", "plain")
        equal(f.report("crash", "trace"), b"no signal has ended a process\n",
              "of what ends well")
        _, err = run([OPTIONS.server, "trace", "--on-crash=report", "--",
                      inferior("profiled"), "plain"], 3)
        equal(err, b"", "of what ends well")


@case(peer=OURS)
def two_builds_are_compared():
    with Files() as f:
        f.trace({"record": "a"}, "profiled", "plain")
        f.trace({"record": "b"}, "profiled", "jumps")
        out, _ = run([OPTIONS.server, "report", "--compare",
                      "--include=profiled", f.path("a"), f.path("b")])
        rows = {}
        for line in out.decode().splitlines()[2:]:
            c = line.split(None, 6)
            rows[c[6]] = [int(x) for x in c[:6]]
        equal(rows["after_signal (profiled)"][:3], [0, 5, 5], "calls")
        equal(rows["catches (profiled)"][:3], [0, 5, 5], "calls")
        check("fib (profiled)" not in rows, "fib is the same")
        check(rows["twice (profiled)"][1] - rows["twice (profiled)"][0] == 5,
              rows["twice (profiled)"])


def chromium():
    for name in "chromium-headless-shell", "chromium", "google-chrome":
        if shutil.which(name):
            return name
    raise Skip("no chromium here")


@case(peer=OURS, seconds=120)
def a_browser_shows_the_page():
    browser = chromium()
    with Files() as f:
        f.trace({"html": "page.html"}, "profiled", "jumps")
        text = f.read("page.html").decode()
        check("http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", text),
              "it loads something")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu",
                   "--user-data-dir=" + f.path("profile"), "--timeout=30000"]
        out, err = run([*command, "--dump-dom",
                        "file://" + f.path("page.html")])
        page = out.decode()
        run([*command, "--window-size=1200,1600",
             "--screenshot=" + f.path("shot.png"),
             "file://" + f.path("page.html")])
        shot = f.read("shot.png")
    check(b"Uncaught" not in err, err[-300:])
    width, height = struct.unpack(">II", shot[16:24])
    check(shot[:8] == b"\x89PNG\r\n\x1a\n" and (width, height) == (1200, 1600),
          "no screenshot", width, height)
    check(re.search(r'<td class="name" title="fib">fib</td>', page), "fib")
    check(page.count("<rect") > 20, "frames", page.count("<rect"))
    check(re.search(r"<span class=\"line\">[^<]*profiled\.c:\d+", page),
          "lines of hot blocks")
    check(re.search(r"\bret\b", page), "disassembly")


@case(peer=OURS)
def mistakes_are_told():
    for options, said in (
            (["--callgrind=/nowhere/file"], "cannot write /nowhere/file"),
            (["--record=/dev/null", "--count"], "one of them at a time"),
            (["--on-crash=core"], "report or report:FILE"),
            (["--last=5"], "belong together"),
            (["--drcov-version=4", "--coverage=/dev/null"],
             "versions 2 and 3")):
        _, err = run([OPTIONS.server, "trace", *options, "--",
                      inferior("profiled")], 125)
        check(said in err.decode(), options, err)
    for options, said in (
            (["--format=gif", "a"], "no format is called gif"),
            (["a"], "which --format?"),
            (["--format=folded"], "which file?"),
            (["--format=folded", "a", "b"], "several files take --merge"),
            (["--compare", "a"], "takes two files"),
            (["--format=folded", "/nowhere/a"], "No such file")):
        _, err = run([OPTIONS.server, "report", *options], 125)
        check(said in err.decode(), options, err)
    _, err = run([OPTIONS.server, "trace", "--folded=/dev/full", "--",
                  inferior("profiled")], 3)
    check("writing /dev/full failed: No space left" in err.decode(), err)


if __name__ == "__main__":
    raise SystemExit(main())
