#!/usr/bin/env python3
"""Programs that are killed from elsewhere while they stand still: reaped at
once, told of when the client asks or resumes, and no client needed for it."""
import os
import signal

from rsp import (PATIENCE, Program, Session, Stop, case, check, equal, main,
                 ptid, status_field, task_state, until)

NOT_PEER = "leaves the zombie until the next resume"


def gone(pid):
    return not os.path.exists("/proc/%d" % pid)


def kill_and_reap(s):
    os.kill(s.pid, signal.SIGKILL)
    check(until(lambda: gone(s.pid)), "not reaped:", task_state(s.pid))


def told(text):
    stop = Stop(text)
    return "%s%02x" % (stop.kind, stop.number)


@case(peer=NOT_PEER)
def launched_is_reaped():
    with Session("stepping") as s:
        kill_and_reap(s)
        equal(told(s.packet("?")), "X09", "?")
        equal(s.packet("?"), "W00", "? again")


@case
def resume_reports_it():
    for how in "vCont;c", "c", "s", "vCont;s;c", "vCont;r0,10;c":
        with Session("stepping") as s:
            os.kill(s.pid, signal.SIGKILL)
            until(lambda: task_state(s.pid) in "Z")
            equal(told(s.packet(how)), "X09", how)


@case(peer=NOT_PEER)
def packets_get_errors():
    with Session("stepping") as s:
        main_at = s.addr("main")
        kill_and_reap(s)
        for text in ("g", "G00", "p0", "m%x,4" % main_at, "M%x,1:00" % main_at,
                     "Z0,%x,1" % main_at, "qXfer:auxv:read::0,100",
                     "T" + s.name(s.pid), "Hg" + s.name(s.pid)):
            reply = s.packet(text)
            check(reply[:1] == "E", text, reply)
        equal(s.tids(), [], "threads")
        equal(told(s.packet("vCont;c")), "X09", "vCont")
        check(s.packet("vCont;c")[:1] == "E", "nothing is left to resume")


@case(peer=NOT_PEER)
def parent_need_not_wait():
    """Of an attached one: its own parent reaps it."""
    with Program("signalling", "loop") as p:
        with Session(attach=p.pid, path=p.path) as s:
            os.kill(p.pid, signal.SIGKILL)
            equal(p.wait(PATIENCE), -signal.SIGKILL, "its status")
            equal(told(s.packet("?")), "X09", "?")


@case(peer=NOT_PEER)
def threads_die_with_it():
    with Session("threadlife", "storm") as s:
        s.start()
        check(until(lambda: status_field(s.pid, "Threads") != "1"), "alone")
        s.interrupt()
        check(len(s.tids()) > 1, "one thread")
        kill_and_reap(s)
        equal(told(s.packet("vCont;c")), "X09", "vCont")


@case(peer=NOT_PEER)
def kill_and_detach_are_done():
    for text in "vKill;%x", "D;%x":
        with Session("stepping") as s:
            kill_and_reap(s)
            equal(s.packet(text % s.pid), "OK", text)
            if text[0] == "v":
                check(s.packet(text % s.pid)[:1] == "E", "twice")
            else:
                check(until(lambda: s.server.poll() is not None), "it stays")


@case(peer=NOT_PEER)
def server_ends_without_client():
    with Session("stepping") as s:
        s.sock.close()
        kill_and_reap(s)
        check(until(lambda: s.server.poll() is not None), "the server stays")


@case(peer=NOT_PEER)
def no_zombies_in_multi():
    with Session("stepping", options=["--multi"]) as s:
        kill_and_reap(s)
        equal(told(s.packet("?")), "X09", "?")
        for _ in range(3):
            reply = s.packet("vRun;" + s.path.encode().hex())
            equal(reply[:1], "T", "vRun")
            s.pid = ptid(reply.partition("thread:")[2].partition(";")[0])[0]
            kill_and_reap(s)
        equal(told(s.packet("vCont;c")), "X09", "vCont")
        s.sock.close()
        check(not until(lambda: s.server.poll() is not None, 0.3), "ended")


if __name__ == "__main__":
    raise SystemExit(main())
