#!/usr/bin/env python3
"""Cores beside gdb's own gcore of the same stop, and beside the core that the
kernel writes of the same death."""
import os
import re
import resource
import shutil

from cores import (Core, Room, equal_text, gdb, gdb_session, is_zero,
                   kernel_writes_cores, lldb, run, same, served)
from rsp import OPTIONS, case, check, equal, forms, inferior, main

BOTH = "crashing", "crashing-i386"
# ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND: what a call that a stop or a
# signal interrupts has returned, until the thread goes back to it.
RESTARTS = -512, -513, -514
CALL_BYTES = 2
EXPRESSIONS = ["anonymous + 5000", "shared + 9000", "changed + 100",
               "sparse + (10 << 20)", "none"]
COMMANDS = ["info threads", "thread apply all -ascending bt",
            "thread apply all -ascending info registers",
            "info all-registers", "x/40xg $sp", "x/8i $pc", "info auxv",
            "p $_siginfo", "info proc cmdline", "x/s bss"] + \
           ["x/s %s" % e for e in EXPRESSIONS]


# --- beside gdb's -------------------------------------------------------------

@case(peer=False, seconds=120)
def as_gdb_saves_it():
    """A thread at a breakpoint: both cores say what the program said."""
    for name in forms(BOTH):
        with Room():
            live = gdb_session(
                OPTIONS.server, inferior(name), ["segv"],
                ["break ready", "continue"], COMMANDS)
            theirs, _ = gdb(inferior(name), "by-gdb", COMMANDS)
            ours, log = gdb(inferior(name), "by-us", COMMANDS)
            check("Program terminated with signal SIGTRAP" in log, log)
            for got, what in ((theirs, "gdb's"), (ours, "ours")):
                got["info proc cmdline"] = live["info proc cmdline"] = ""
                same({c: live[c] for c in live
                      if "registers" in c or "bt" in c or "x/" in c
                      or "auxv" in c or "threads" in c}, got,
                     "%s, live and %s" % (name, what))
            same({c: theirs[c] for c in theirs if c != "info proc cmdline"},
                 ours, "%s, gdb's and ours" % name)
            for e in EXPRESSIONS:
                check('"' in ours["x/s " + e], e, ours["x/s " + e])


# --- beside the kernel's ------------------------------------------------------

def both_cores(room, name, *args):
    """The server's core and the kernel's of one death."""
    theirs = kernel_writes_cores()
    status, said = served(name, *args, limit=[
        (resource.RLIMIT_CORE, resource.RLIM_INFINITY)])
    check(status > 128, "status", status, said)
    ours = room.only("core.%s.*" % name)
    pid = int(ours.rpartition(".")[2])
    return Core(ours), Core(theirs % pid if "%" in theirs else theirs)


def compare_segments(ours, theirs, what):
    equal(ours.segments.keys() | {0}, theirs.segments.keys() | {0}, what)
    for addr, (memsz, filesz, flags, _) in theirs.segments.items():
        mine = ours.segments[addr]
        where = "%s: segment %#x" % (what, addr)
        equal(mine[0], memsz, where + " memsz")
        equal(mine[2], flags, where + " flags")
        if filesz == mine[1]:
            check(ours.contents(addr) == theirs.contents(addr),
                  where + " differs")
        elif filesz == 0:
            check(is_zero(ours.contents(addr)), where + " is not zero")
        else:
            # A page of registers of the kernel's clock: zeros there.
            equal(mine[1], 0, where + " filesz")
            check(is_zero(theirs.contents(addr)), where + " is left out")


def back_to_the_call(status, regs, word):
    """A thread whose system call was interrupted and is to be made again, as if
    it had gone back to it: some do before the kernel ends them, as they are
    told to go on when our core is written, and the kernel's is of later."""
    places = (10, 15, 16) if word == 8 else (6, 11, 12)
    ax, number, pc = (slice(regs + i * word, regs + (i + 1) * word)
                      for i in places)
    if int.from_bytes(status[ax], "little", signed=True) not in RESTARTS:
        return
    status[ax] = status[number]
    status[number] = b"\xff" * word
    at = int.from_bytes(status[pc], "little") - CALL_BYTES
    status[pc] = at.to_bytes(word, "little")


def compare_notes(ours, theirs, what):
    equal(sorted((n, len(d)) for n, d in ours.notes),
          sorted((n, len(d)) for n, d in theirs.notes), what + " notes")
    for name in ("SIGINFO", "AUXV", "FILE", "X86_XSAVE_LAYOUT", "386_TLS"):
        equal(sorted(ours.note(name)), sorted(theirs.note(name)),
              what + " " + name)
    regs, end = (112, 328) if ours.word == 8 else (72, 140)
    times = slice(48, 112) if ours.word == 8 else slice(40, 72)

    def by_thread(core):
        at = times.start - 16
        out = {d[at:at + 4]: bytearray(d) for d in core.note("PRSTATUS")}
        for d in out.values():
            d[times] = bytes(times.stop - times.start)
            back_to_the_call(d, regs, core.word)
        return out
    mine, its = by_thread(ours), by_thread(theirs)
    equal(mine.keys(), its.keys(), what + " threads")
    for tid, d in its.items():
        equal(mine[tid][regs:end].hex(), d[regs:end].hex(),
              what + " registers")
    first = ours.note("PRSTATUS")[0][times.start - 16:times.start - 12]
    equal(first, theirs.note("PRSTATUS")[0][times.start - 16:][:4],
          what + " first thread")
    equal(mine[first].hex(), its[first].hex(), what + " first status")
    name = 40 if ours.word == 8 else 28
    equal(ours.note("PRPSINFO")[0][name:], theirs.note("PRPSINFO")[0][name:],
          what + " name and arguments")


@case(peer=False, seconds=120)
def as_the_kernel_writes_it():
    """Byte by byte: memory, registers, notes."""
    for name in forms((*BOTH, "crashing-static")):
        for how in ("segv", "abort", "overflow"):
            with Room() as room:
                ours, theirs = both_cores(room, name, how)
                what = "%s %s" % (name, how)
                equal((ours.type, ours.machine), (4, theirs.machine), what)
                compare_segments(ours, theirs, what)
                compare_notes(ours, theirs, what)
                equal(os.stat(ours.path).st_mode & 0o777, 0o600, "mode")
                check(os.stat(ours.path).st_blocks < 24000, "not sparse")
                ours.close(), theirs.close()


@case(peer=False, seconds=120)
def coredump_filter_is_obeyed():
    for number in ("0", "0x1", "0x2", "0x4", "0x7f"):
        with Room() as room:
            ours, theirs = both_cores(room, "crashing", "segv", number)
            for addr, (_, filesz, _, _) in theirs.segments.items():
                mine = ours.segments[addr][1]
                if mine != filesz:
                    check(is_zero((ours if mine else theirs).contents(addr)),
                          "filter %s: segment %#x has %#x, the kernel's %#x" %
                          (number, addr, mine, filesz))
            ours.close(), theirs.close()


def by_thread(text):
    """What lldb says, in the order of threads: the kernel writes them in that
    in which they die."""
    text = text.partition(") was loaded.")[2]
    text = re.sub(r"(thread|frame) #\d+", r"\1", text)
    return sorted(text.splitlines())


@case(peer=False, seconds=120)
def debuggers_see_no_difference():
    """gdb, lldb and both readelfs on the kernel's core and on ours."""
    for name in forms(BOTH):
        with Room() as room:
            ours, theirs = both_cores(room, name, "segv")
            program = inferior(name)
            ours.close(), theirs.close()
            of = [gdb(program, c.path, COMMANDS)[0] for c in (ours, theirs)]
            # The kernel leaves memory out that was never touched.
            of[0].pop("x/s bss")
            same(of[0], of[1], name, ours.path)
            commands = ["thread list", "bt all", "register read -a",
                        "memory read -s1 -c64 `$sp`"]
            if shutil.which("lldb"):
                of = [by_thread(lldb(program, c.path, commands))
                      for c in (ours, theirs)]
                check("crash" in "".join(of[0]), of[0])
                equal_text("\n".join(of[0]), "\n".join(of[1]),
                           name + " lldb")
            for readelf in ("readelf", "eu-readelf"):
                if shutil.which(readelf):
                    text = run(readelf, "-W", "-n", ours.path) \
                        if readelf == "readelf" else \
                        run(readelf, "-n", "-l", ours.path)
                    check(not re.search(r"rror|nvalid|arning", text),
                          readelf, text)
                    equal(text.count("PRSTATUS"), 4, readelf)


if __name__ == "__main__":
    raise SystemExit(main())
