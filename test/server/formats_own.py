#!/usr/bin/env python3
"""The file that a trace is kept in: what is made of it, and of one that is not
whole."""
import os
import re
import signal
import struct
import subprocess

from readers import Files, run
from rsp import OPTIONS, case, check, equal, inferior, main, until
from traced import counts

OURS = "the translator's"


def lines(data):
    return sorted(x.rstrip(b",") for x in data.split(b"\n"))


@case(peer=OURS, seconds=60)
def what_is_made_of_a_trace_file_is_what_the_run_makes():
    for mode in "jumps", "threads":
        with Files() as f:
            names = ["callgrind", "folded", "counts", "lcov"]
            # What several threads do comes in another order.
            names += ["perfetto", "fxt", "afl-map"] if mode == "jumps" else []
            f.trace({**{n: n for n in names}, "record": "record"}, "profiled",
                    mode)
            for n in names:
                check(lines(f.report(n, "record")) == lines(f.read(n)), mode,
                      n, "differs")
            again = f.report("record", "record")
            with open(f.path("again"), "wb") as out:
                out.write(again)
            check(f.report("callgrind", "again") == f.read("callgrind"),
                  "a trace of a trace differs")


@case(peer=OURS)
def a_trace_file_may_end_anywhere():
    with Files() as f:
        f.trace({"record": "record"}, "profiled", "plain")
        whole = f.read("record")
        _, (blocks, _) = counts(f.report("counts", "record"))
        last = 0
        for size in [24, 25, *range(40, len(whole), len(whole) // 12)]:
            with open(f.path("cut"), "wb") as out:
                out.write(whole[:size])
            out, err = run([OPTIONS.server, "report", "--format=counts",
                            f.path("cut")])
            now = counts(out)[1][0]
            check(last <= now <= blocks, "blocks", last, now)
            last = now
            check(size == 24 or b"its end is missing" in err or
                  now <= blocks, err)


@case(peer=OURS, seconds=60)
def a_broken_trace_file_is_refused():
    with Files() as f:
        f.trace({"record": "record"}, "profiled", "plain")
        whole = bytearray(f.read("record"))
        said = 0
        for at in range(0, len(whole), max(1, len(whole) // 60)):
            broken = bytearray(whole)
            broken[at] ^= 0x55
            with open(f.path("broken"), "wb") as out:
                out.write(broken)
            p = subprocess.run([OPTIONS.server, "report", "--format=folded",
                                f.path("broken")], capture_output=True,
                               timeout=20, check=False)
            check(p.returncode in (0, 125), "status", at, p.returncode)
            said += p.returncode == 125
        check(said > 5, "of 60 that are broken, refused were", said)
        for text in b"", b"hello", b"DRCOV VERSION: 7\n":
            with open(f.path("none"), "wb") as out:
                out.write(text)
            run([OPTIONS.server, "report", "--format=folded", f.path("none")],
                125)


THREAD, PATH, WAYS = 5, 6, 8


def frame(kind, thread, data):
    """One that is not compressed, as doc/trace-file.md has it."""
    return struct.pack("<IIII", kind, len(data), 0, thread) + data


def begun(thread):
    """Of image 1, and ids that nobody else has."""
    return frame(THREAD, thread, b"\x01\xff\x7f\xff\x7f")


@case(peer=OURS, seconds=60)
def ways_of_no_blocks_and_paths_of_no_ways_are_refused():
    with Files() as f:
        f.trace({"record": "record"}, "profiled", "plain")
        whole = f.read("record")
        far = b"\xfe\xff\xff\xff\x0f"  # a number of a block, or of a way
        for kind, data, status in [
                (WAYS, b"\x02\x02\x02", 0), (WAYS, b"", 0),
                (PATH, b"\x00\x03\x00\x00\x02", 0),
                (WAYS, b"\x00", 125),                 # of no block
                (WAYS, b"\x81\x02" + 257 * b"\x00", 125),
                (WAYS, b"\x03\x02\x02", 125),         # one is missing
                (WAYS, b"\x01" + far, 125), (WAYS, b"\x01\x01", 125),
                (PATH, b"\x00" + far, 125),
                (PATH, b"\x00\x00\x07", 125)]:        # of no escape
            with open(f.path("more"), "wb") as out:
                out.write(whole)
                out.write(begun(9) if kind == PATH else b"")
                out.write(frame(kind, 9, data))
            run([OPTIONS.server, "report", "--format=counts", f.path("more")],
                status)


@case(peer=OURS)
def a_trace_is_there_when_its_writer_is_killed():
    with Files() as f:
        p = subprocess.Popen(
            [OPTIONS.server, "trace", "--record=" + f.path("record"), "--",
             inferior("covered"), "long"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
        until(lambda: os.path.exists(f.path("record")) and
              os.path.getsize(f.path("record")) > 60000, 20)
        p.send_signal(signal.SIGKILL)
        p.wait()
        _, (blocks, _) = counts(f.report("counts", "record"))
        check(blocks > 20000, "blocks", blocks)


@case(peer=OURS)
def a_trace_of_a_crash_has_all_of_it():
    with Files() as f:
        _, err = f.trace({"record": "record"}, "profiled", "crash",
                         status=128 + signal.SIGSEGV)
        equal(err, b"", "errors")
        text = f.report("branches", "record").decode()
        check(re.search(r"last executed: crash\+0x[0-9a-f]+ \(profiled\.c:\d+"
                        r"\)\n$", text), text[-300:])


@case(peer=OURS, seconds=90)
def blocks_take_little_room():
    with Files() as f:
        f.trace({"record": "record"}, "covered", "plain")
        _, (blocks, _) = counts(f.report("counts", "record"))
        size = os.path.getsize(f.path("record"))
        f.trace({"record": "long"}, "covered", "long")
        _, (more, _) = counts(f.report("counts", "long"))
        more_size = os.path.getsize(f.path("long"))
    check((more_size - size) / (more - blocks) < 0.5, "bytes a block:",
          (more_size - size) / (more - blocks))


if __name__ == "__main__":
    raise SystemExit(main())
