#!/usr/bin/env python3
"""What is remembered of programs that were followed before (hints).

usage: hints.py [--server S] [CASE...]

Nothing of it may change what a program does: each run is compared with a
native one. What it is for is seen by the counters.
"""
import os
import random
import struct
import subprocess
import sys
import time

import traced

MAGIC = b"tshints3"
PROGRAM = ["perl", "-e", "my %h = map { $_ => $_ ** 2 } 1 .. 50; "
           "print join(',', map { sprintf('%x', $h{$_}) } sort keys %h)"]


class Failed(Exception):
    pass


def check(what, *values):
    if not what:
        raise Failed(", ".join(str(v) for v in values))


def followed(opt, hints, argv=None, options=(), cache="256M"):
    """The counters of a run that is the same as natively. They tell of hints if
    all fits in the cache, as in that of the hostile build it does not."""
    argv = argv or PROGRAM
    native = traced.run(argv, opt.limit)
    run = traced.trace(opt, argv, ["--cache-size=" + cache, *options],
                       env={**os.environ, "TRACESTUB_HINTS": hints})
    bad = traced.differences(native, run)
    check(not bad, *bad)
    return run.stats


def exits(stats):
    return stats["exits"]


def files_in(folder):
    """... of hints; what is saved of code is in a directory of its own."""
    return sorted(f for f in os.listdir(folder)
                  if not f.startswith(".") and f != "code")


def less_the_second_time(opt, tmp, options=()):
    """Stops for translation, and blocks that never run."""
    off = followed(opt, "off", options=options)
    cold = followed(opt, tmp, options=options)
    warm = followed(opt, tmp, options=options)
    check(cold["blocks"] > 0.9 * off["blocks"], cold["blocks"], off["blocks"])
    check(files_in(tmp), "no file was made")
    check(warm["blocks"] < 0.8 * cold["blocks"], warm["blocks"],
          cold["blocks"])
    check(exits(warm) < 0.4 * exits(cold), exits(warm), exits(cold))
    for run in off, cold, warm:
        check(run["landings_quiet"] < 0.3 * run["landings"],
              run["landings_quiet"], run["landings"])


def branches_are_known(opt, tmp):
    """Where indirect branches went, which looking ahead does not tell."""
    def missed(stats):
        return stats["indirect_misses"] + stats["learned"]
    # Where a program and a library happen to share low halves of addresses,
    # as one run in 300, branches are not compared with what they are known for.
    fixed = ["--disable-randomization"]
    cold = followed(opt, tmp, options=fixed)
    followed(opt, tmp, options=fixed)
    warm = followed(opt, tmp, options=fixed)
    check(missed(warm) < 0.2 * missed(cold), missed(warm), missed(cold))


def into_files_that_did_not_run_yet(opt, tmp):
    """Calls through pointers into a library which has no code but theirs."""
    n = 60
    lib, prog = os.path.join(tmp, "lib.so"), os.path.join(tmp, "prog")
    made = os.path.join(tmp, "hints")
    source = os.path.join(tmp, "x.c")
    with open(source, "w", encoding="ascii") as f:
        for i in range(n):
            f.write("int f%d(int x) { return x + %d; }\n" % (i, i))
    flags = ["-O1", "-Wl,--build-id", source, "-o"]
    subprocess.run(["cc", "-shared", "-fPIC", "-nostartfiles"] + flags + [lib],
                   check=True)
    with open(source, "w", encoding="ascii") as f:
        f.write("int main(void) { int n = 0;\n")
        for i in range(n):
            f.write("{ extern int f%d(int); int (*volatile p)(int) = f%d; "
                    "n = p(n); }\n" % (i, i))
        f.write("return n != %d; }\n" % sum(range(n)))
    subprocess.run(["cc"] + flags + [prog, lib], check=True)
    cold = followed(opt, made, [prog])
    warm = followed(opt, made, [prog])
    check(cold["learned"] >= n, cold["learned"])
    check(warm["learned"] < n / 2, warm["learned"])


MEETS = r"""
#include <dlfcn.h>
#include <pthread.h>
#include <time.h>
typedef unsigned fn(unsigned);
static unsigned own(unsigned x) { return x; }
static fn *volatile table[N];
static volatile int begun, go;
static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}
static __attribute__((noinline)) unsigned walk(int i, int by)
{
	unsigned n = 0;
	for (; i < N; i += by)
		n += table[i](i);
	return n;
}
static void *other(void *sum)
{
	begun = walk(0, 1) > 0;
	while (!go)
		;
	for (long end = now() + now() % 2000000; now() < end;)
		;
	*(unsigned *)sum = walk(255, 256) + walk(N - 1, N);
	return sum;
}
int main(int argc, char **argv)
{
	unsigned sum = 0, all;
	pthread_t t;
	for (int i = 0; i < N; i++)
		table[i] = own;
	pthread_create(&t, 0, other, &sum);
	while (!begun)
		;
	void *lib = dlopen(argv[argc - 1], RTLD_NOW);
	fn *const *fns = lib ? dlsym(lib, "table") : 0;
	for (int i = 0; i < N && fns; i++)
		table[i] = fns[i];
	go = 1;
	all = walk(0, 1);
	pthread_join(t, 0);
	return !fns || all != WALK || sum != OTHER;
}
"""


def while_others_run(opt, tmp):
    """A thread calls what another's batch brings with its landings."""
    n = 2000
    lib, prog = os.path.join(tmp, "lib.so"), os.path.join(tmp, "prog")
    source = os.path.join(tmp, "x.c")
    with open(source, "w", encoding="ascii") as f:
        for i in range(n):
            f.write("static unsigned f%d(unsigned x) { return x + %d; }\n"
                    % (i, i))
        f.write("unsigned (*const table[])(unsigned) = { %s };\n"
                % ", ".join("f%d" % i for i in range(n)))
    flags = ["-O1", "-Wl,--build-id", source, "-o"]
    subprocess.run(["cc", "-shared", "-fPIC", "-nostdlib"] + flags + [lib],
                   check=True)
    with open(source, "w", encoding="ascii") as f:
        f.write("#define N %d\n#define WALK %du\n#define OTHER %du\n%s"
                % (n, n * (n - 1), 2 * (sum(range(255, n, 256)) + n - 1),
                   MEETS))
    subprocess.run(["cc", "-pthread"] + flags + [prog, "-ldl"], check=True)
    for _ in range(20):
        followed(opt, os.path.join(tmp, "hints"), [prog, lib])


def runs_that_vary(opt, tmp):
    """What else the same program has run is not translated each time."""
    calls = ["sort { $a <=> $b } 9, 1", "sprintf('%.3f', 1 / 3)",
             "join '', map { chr } 65 .. 80", "scalar(gmtime(0))", "lc 'A' =~ /a/i"]
    argv = ["perl", "-e", "print 1"]
    alone = followed(opt, tmp, argv)["blocks"]
    alone = min(alone, followed(opt, tmp, argv)["blocks"])
    for n, call in enumerate(calls):
        followed(opt, tmp, ["perl", "-e", "use POSIX; print %d, %s" %
                            (n, call)])
    for _ in range(2):
        followed(opt, tmp, argv)
    check(followed(opt, tmp, argv)["blocks"] < 1.5 * alone, alone)


def of_other_commands(opt, tmp):
    """What a program runs depends on its arguments: each has its own, and a new
    one is known as far as others have run it."""
    def perl(what):
        return ["perl", "-e", what]
    little, much = perl("print 1"), perl(
        "use POSIX; use Data::Dumper; print Dumper([sort map { strftime("
        "'%Y', gmtime($_ * 1e8)) } 1 .. 20]), sprintf('%.3f', 1 / 3)")
    followed(opt, tmp, little)
    alone = followed(opt, tmp, little)
    followed(opt, tmp, much)
    more = followed(opt, tmp, much)
    for argv, own in (little, alone), (much, more), (little, alone):
        stats = followed(opt, tmp, argv)
        check(stats["blocks"] < 1.2 * own["blocks"], stats["blocks"],
              own["blocks"])
        check(exits(stats) < exits(own) + 20, exits(stats), exits(own))
    new = followed(opt, tmp, perl("print 2"))
    check(exits(new) < exits(alone) + 20, exits(new), exits(alone))
    check(followed(opt, tmp, perl("print 2"))["blocks"] <
          1.2 * alone["blocks"], "nothing was learnt of it")


def of_other_programs(opt, tmp):
    """Libraries are known to a program that was never run, but what it does not
    run of them is not known to run in it."""
    off = followed(opt, "off", ["expr", "1", "+", "2"])
    followed(opt, tmp)
    first = followed(opt, tmp, ["expr", "1", "+", "2"])
    second = followed(opt, tmp, ["expr", "1", "+", "2"])
    check(exits(first) < 0.7 * exits(off), exits(first), exits(off))
    check(second["blocks"] < 0.9 * first["blocks"], second["blocks"],
          first["blocks"])
    check(exits(second) < 0.3 * exits(off), exits(second), exits(off))


def by_coverage(opt, tmp):
    with traced.folder() as other:
        less_the_second_time(opt, tmp,
                             ["--coverage=%s/drcov" % other])


def by_counting(opt, tmp):
    less_the_second_time(opt, tmp, ["--count"])


def counts_are_the_same(opt, tmp):
    """Less is translated, but what was executed is what was executed."""
    seen = []
    with traced.folder() as other:
        name = os.path.join(other, "counts")
        # As long in the program's environment: nowhere, twice there.
        for hints, cache in (("/dev/null/".ljust(len(tmp), "-"), "256M"),
                             (tmp, "256M"), (tmp, "256M"), (tmp, "1M")):
            followed(opt, hints, ["expr", "1", "+", "2"],
                     ["--disable-randomization", "--count=" + name], cache)
            with open(name, "rb") as f:
                seen.append(f.read())
    check(len(set(seen)) == 1 and seen[0], "counts differ")


def in_a_small_cache(opt, tmp):
    """What is evicted is translated again, and known to run."""
    off = followed(opt, "off", cache="1M")
    cold = followed(opt, tmp, cache="1M")
    warm = followed(opt, tmp, cache="1M")
    check(off["evictions"] > 10, off["evictions"])
    check(exits(warm) < 0.8 * exits(off), exits(warm), exits(cold), exits(off))
    check(warm["evictions"] < 0.8 * off["evictions"], warm["evictions"],
          cold["evictions"], off["evictions"])


def within_a_session(opt, _):
    """Where nothing can be kept, it is known to the next process."""
    one, three = (["sh", "-c", "; ".join(n * ["expr 1 + 2"])] for n in (1, 3))
    options = ["--follow-forks"]

    def more(hints):
        return (exits(followed(opt, hints, three, options)) -
                exits(followed(opt, hints, one, options)))
    off, on = more("off"), more("/dev/null/nowhere")
    check(on < 0.5 * off, on, off)


def any_hints(chance, names):
    """Places that all programs have run, that indirect branches went to, and
    indirect branches: everywhere, in these files."""
    run, goes = (sorted(chance.sample(range(1 << 21), n))
                 for n in (20000, 100000))
    met = sorted(chance.sample(run, 5000))
    rows = [(p, 0xffffffff, 0xffffffff) for p in run + met]
    rows += [(p, int(chance.choice(names)[:8], 16), chance.choice(run))
             for p in goes]
    return MAGIC + struct.pack(
        "<5IQ", 0, 0, len(run), len(met), len(goes), chance.getrandbits(64)) + \
        b"".join(struct.pack("<%dI" % len(r), *r) for r in rows)


def lies(opt, tmp):
    """Hints that are wrong: any place, within instructions and behind."""
    followed(opt, tmp)
    chance = random.Random(1)
    names = files_in(tmp)
    check(names, "no file was made")
    for _ in range(3):
        for name in names:
            with open(os.path.join(tmp, name), "wb") as f:
                f.write(any_hints(chance, names))
        followed(opt, tmp)
        # What it really ran is known now, too.
        check(exits(followed(opt, tmp)) <
              0.5 * exits(followed(opt, "off")), "nothing was learnt")


def nonsense(opt, tmp):
    followed(opt, tmp)
    for name in files_in(tmp):
        with open(os.path.join(tmp, name), "wb") as f:
            f.write(MAGIC + 4100 * b"\xff")
    cold = followed(opt, tmp)
    warm = followed(opt, tmp)
    check(exits(warm) < 0.4 * exits(cold), exits(warm), exits(cold))
    for name in files_in(tmp):
        with open(os.path.join(tmp, name), "wb") as f:
            f.write(MAGIC + struct.pack("<5IQ3I", 0, 0, 1, 0, 0, 0,
                                        0x80000001, 1, 1))
    followed(opt, tmp)


def another_file(opt, tmp):
    """That a file has no restartable sequences is known of that file alone,
    not of all that have its build ID."""
    with open(os.path.join(opt.inferiors, "tr_rseq"), "rb") as f:
        code = f.read()
    number = b"\x53\x30\x05\x53"
    check(code.count(number) > 2, "no signatures")
    program, hints = os.path.join(tmp, "program"), os.path.join(tmp, "hints")

    def put(what):
        with open(program + ".new", "wb") as f:
            f.write(what)
        os.chmod(program + ".new", 0o755)
        os.rename(program + ".new", program)
        # What has changed just now might change again.
        time.sleep(3)

    put(code.replace(number, b"\x53\x30\x05\x90"))
    check(not followed(opt, hints, [program, "processor"])["sections"])
    sums = []
    for name in files_in(hints):
        with open(os.path.join(hints, name), "rb") as f:
            sums.append(any(f.read()[24:32]))
    check(all(sums), "it was not looked at", sums)
    put(code)
    check(followed(opt, hints, [program, "aborted_far_away"])["sections"] > 10,
          "sections were not seen")


def none_at_all(opt, tmp):
    home = {**os.environ, "HOME": tmp, "XDG_CACHE_HOME": ""}
    for env, there in (({"TRACESTUB_HINTS": "off"}, []),
                       ({"TRACESTUB_HINTS": ""}, ["tracestub"])):
        traced.trace(opt, PROGRAM, env={**home, **env})
        cache = os.path.join(tmp, ".cache")
        got = os.listdir(cache) if os.path.exists(cache) else []
        check(got == there, got, there)


CASES = (less_the_second_time, branches_are_known,
         into_files_that_did_not_run_yet, while_others_run, runs_that_vary,
         of_other_commands,
         of_other_programs, by_coverage, by_counting,
         counts_are_the_same, in_a_small_cache, within_a_session, lies, nonsense, another_file,
         none_at_all)


def main(doc, cases):
    opt = traced.arguments(doc, (["names"], {"nargs": "*"}))
    opt.native = False
    failed = 0
    for case in cases:
        if opt.names and case.__name__ not in opt.names:
            continue
        try:
            with traced.folder() as tmp:
                case(opt, tmp)
        except Failed as e:
            failed += 1
            print("%s: %s" % (case.__name__, e))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(__doc__, CASES)
