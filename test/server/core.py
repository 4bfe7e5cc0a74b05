#!/usr/bin/env python3
"""Cores of programs that crash, and what a core and its making may not show."""
import os
import re
import resource
import shutil
import subprocess

from cores import Core, Room, deaths, gdb, gdb_session, run, same, save, served
from rsp import (FALSE, FEATURES, OPTIONS, PATIENCE, Program, Session, Skip,
                 case, check, equal, main, status_field, until)

# --- real programs --------------------------------------------------------

@case(peer=False, seconds=120)
def as_gdb_saves_programs():
    """Real ones with threads."""
    python = "import threading,time\n" \
        "for i in range(3): threading.Thread(target=time.sleep, " \
        "args=(9,)).start()\n" \
        "import os; os.kill(os.getpid(), 10)"
    commands = ["info threads", "thread apply all -ascending bt 3",
                "thread apply all -ascending info registers"]
    done = 0
    for program, args in (("python3", ["-c", python]), ("node", [
            "-e", "process.kill(process.pid, 10); setTimeout(()=>{}, 9000)"])):
        path = shutil.which(program)
        if path is None:
            continue
        path = run(path, *(["-c", "import sys; print(sys.executable)"]
                           if program == "python3" else
                           ["-p", "process.execPath"])).strip()
        with Room() as room:
            with open("args", "w") as f:
                f.write(args[1])
            script = os.path.join(room.path, "script")
            os.rename("args", script)
            live = gdb_session(OPTIONS.server, os.path.realpath(path),
                               [script], ["handle SIGUSR1 stop nopass",
                                          "continue"], commands, peer=False)
            ours, _ = gdb(os.path.realpath(path), "by-us", commands)
            same(live, ours, program)
            done += 1
    if not done:
        raise Skip("neither python3 nor node here")


# --- crashes --------------------------------------------------------------

@case(peer=False)
def a_core_of_each_signal():
    for how, signo in (("segv", 11), ("abort", 6)):
        with Room() as room:
            status, said = served("crashing", how)
            equal(status, 128 + signo, how)
            path = room.only("core.crashing.*")
            equal(len(deaths(said)), 1, said)
            check("core written to ./" + os.path.basename(path) in said and
                  "(4 threads, " in said, said)

TEXT_ERRORS = FEATURES + ";error-message+"


@case(peer=False)
def no_core_of_what_goes_on():
    for how, status in (("handler", 7), ("ignore", 0), ("block", 0),
                        ("term", 143)):
        with Room() as room:
            got, said = served("crashing", how)
            equal((got, deaths(said)), (status, []), how)
            room.none()


@case(peer=False)
def two_threads_crash_at_once():
    for _ in range(10):
        with Room() as room:
            status, said = served("crashing", "both")
            equal((status, len(deaths(said))), (139, 1), said)
            core = Core(room.only("core.crashing.*"))
            equal(len(core.note("PRSTATUS")), 5, "threads")
            core.close()


@case(peer=False, seconds=60)
def runtimes_that_use_signals():
    for program, args in (("java", ["-version"]),
                          ("node", ["-e", "console.log(1)"])):
        if shutil.which(program):
            with Room() as room:
                status, said = served(program, *args)
                equal((status, deaths(said)), (0, []), program)
                room.none()


@case(peer=False)
def a_client_that_passes_the_signal():
    with Room() as room:
        with Session("crashing", "segv",
                     options=["--core-on-crash", "."]) as s:
            stop = s.cont()
            equal(stop.number, 11, stop)
            room.none()
            s.start("vCont;C0b:" + s.name(stop.tid))
            end = s.wait()
            equal((end.kind, end.number), ("X", 11), end)
            room.only("core.crashing.*")


@case(peer=False)
def a_client_that_sends_another_signal():
    """Its siginfo is what the kernel makes of it."""
    with Room() as room:
        with Session("crashing", "segv",
                     options=["--core-on-crash", "."]) as s:
            s.run_to("ready")
            s.signal(6)     # SIGABRT, where nothing was about to be delivered
            core = Core(room.only("core.crashing.*"))
            equal(core.note("SIGINFO")[0][:4], b"\x06\0\0\0", "signal")
            core.close()


@case(peer=False)
def a_client_that_goes():
    with Room() as room:
        with Session("crashing", "told",
                     options=["--core-on-crash", "."]) as s:
            s.run_to("ready")
            s.start()
            s.sock.close()
            check(until(lambda: b"has terminated" in s.said()), s.said())
            open("go", "w").close()
            s.server.wait(PATIENCE)
            equal(len(deaths(s.said().decode())), 1, s.said())
            room.only("core.crashing.*")


@case(peer=False)
def a_process_attached_to():
    with Room() as room:
        with Program("crashing", "told") as p:
            server = subprocess.Popen(
                [OPTIONS.server, "--no-wait", "--once", "--core-on-crash",
                 ".", "--attach", ":0", str(p.pid)],
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            check(until(lambda: status_field(p.pid, "TracerPid") ==
                        str(server.pid)), "not attached")
            open("go", "w").close()
            equal(p.wait(PATIENCE), -11, "the program's status")
            equal(server.wait(PATIENCE), 139, "the server's status")
            core = Core(room.only("core.crashing.%d" % p.pid))
            equal(len(core.note("PRSTATUS")), 4, "threads")
            core.close()


@case(peer=False)
def a_forked_child_crashes():
    features = "multiprocess+;fork-events+;vContSupported+"
    with Room() as room:
        with Session("crashing", "fork", options=["--core-on-crash", "."],
                     features=features) as s:
            stop = s.cont()
            check("fork" in stop.fields, stop)
            child = int(stop.fields["fork"].partition(".")[0][1:], 16)
            stop = s.cont()
            equal(stop.number, 11, stop)
            s.start("vCont;C0b:" + s.name(stop.tid).replace(
                "%x" % s.pid, "%x" % child, 1) + ";c")
            s.wait()
            core = Core(room.only("core.crashing.%d" % child))
            equal(len(core.note("PRSTATUS")), 1, "threads")
            core.close()


# --- what is ours, and what fails -----------------------------------------

@case(peer=False)
def nothing_of_ours_is_in_it():
    """Breakpoints, and the slots that step over them."""
    with Room():
        with Session("crashing", "segv") as s:
            s.run_to("ready")
            clean = s.read(s.addr("crash"), 16)
            before = maps(s.pid)
            s.point(0, "crash", rest=FALSE)
            s.point(0, "die", rest=FALSE)
            equal(s.cont().number, 11, "signal")
            ours = maps(s.pid) - before
            if OPTIONS.follow:
                ours = {m for m in maps(s.pid) if "memfd:tracestub" in m}
            check(ours, "there is nothing of ours")
            save(s, "core")
            core = Core("core")
            equal(core.memory(s.addr("crash"), 16), clean, "bytes")
            for line in maps(s.pid) - ours - {""}:
                check(int(line.partition("-")[0], 16) in core.segments, line)
            for line in ours:
                lo = int(line.partition("-")[0], 16)
                # the cache is left out as the kernel would, by its size
                check(not any(a <= lo < a + v[1 if OPTIONS.follow else 0]
                              for a, v in core.segments.items()), line)
            core.close()


def maps(pid):
    with open("/proc/%d/maps" % pid) as f:
        return set(f.read().split("\n"))


@case(peer=False)
def the_program_does_not_notice():
    """Its memory, files and signals are as they were, also after it ran on."""
    def look(pid):
        keys = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt",
                "RssAnon", "RssShmem", "VmSize", "VmSwap", "Threads", "State")
        return {k: status_field(pid, k) for k in keys}, maps(pid), \
            os.listdir("/proc/%d/fd" % pid)
    with Room():
        with Session("crashing", "segv") as s:
            s.run_to("ready")
            s.point(0, "crash")
            before = look(s.pid)
            text, reply = save(s, "core")
            equal(reply, "OK", text)
            check(re.match(r"Saved corefile core \(4 threads, [\d.]+ MiB\)\n",
                           text), text)
            equal(look(s.pid), before, "the process")
            stop = s.cont()
            s.at("crash", stop)


@case(peer=False)
def where_it_cannot_be_written():
    with Room() as room:
        with Session("crashing", "segv", features=TEXT_ERRORS) as s:
            s.run_to("ready")
            os.mkdir("dir")
            os.mkfifo("fifo")
            for path, why in (("no/such/file", "No such file"),
                              ("dir", "directory"),
                              ("fifo", "no plain file")):
                text, reply = save(s, path)
                check(reply[:2] == "E." and path in reply and why in reply,
                      reply)
            equal(sorted(os.listdir(".")), ["dir", "fifo"], "left behind")
            text, reply = save(s, "")
            equal(reply, "OK", "default name")
            room.only("core.%d" % s.pid)


@case(peer=False)
def a_full_disc_leaves_nothing():
    """A limit to the size of files stands for it."""
    with Room() as room:
        with Session("crashing", "segv", features=TEXT_ERRORS,
                     options=["--core-on-crash", "."]) as s:
            s.run_to("ready")
            resource.prlimit(s.server.pid, resource.RLIMIT_FSIZE,
                             (100000, 100000))
            text, reply = save(s, "small")
            equal(reply, "E.cannot write core small: File too large", text)
            equal(s.cont().number, 11, "signal")
            end = s.signal(11)
            equal((end.kind, end.number), ("X", 11), end)
            said = deaths(s.said().decode())
            check(len(said) == 1 and "dies of SIGSEGV: cannot write core "
                  "./core.crashing." in said[0], said)
        room.none()


@case(peer=False)
def a_directory_that_cannot_be_used():
    for where, why in (("/nowhere", "No such file"),
                       ("/etc/passwd", "Not a directory")):
        done = subprocess.run(
            [OPTIONS.server, "--core-on-crash", where, ":0", "true"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=10)
        equal(done.returncode, 125, where)
        check(where in done.stderr.decode() and why in done.stderr.decode(),
              done.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
