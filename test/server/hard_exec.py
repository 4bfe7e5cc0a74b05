#!/usr/bin/env python3
"""Programs that become others, and programs in odd places."""
import os
import re
import shutil
import subprocess
import tempfile
import time

from rsp import (OPTIONS, Program, Session, Skip, case, check, equal,
                 forms, inferior, main, task_state, until)

EXEC = ("multiprocess+;swbreak+;hwbreak+;exec-events+;vContSupported+;"
        "no-resumed+;xmlRegisters=i386")


def exec_event(mode, name="execs"):
    with Session(name, mode, features=EXEC) as s:
        s.run_to("main")
        stop = s.cont()
        check("exec" in stop.fields, "no exec:", stop)
        equal(stop.tid, s.pid, "thread")
        equal(s.tids(), [s.pid], "threads")
        s.base = None
        s.run_to("after")
        end = s.finish()
        equal((end.kind, end.number), ("W", 9), "end")


@case
def exec_by_other_thread():
    exec_event("thread")


@case
def exec_while_others_run():
    for _ in range(3):
        exec_event("busy")


@case
def exec_after_leader_ended():
    exec_event("gone")


@case
def exec_from_memfd():
    exec_event("memfd")
    with Session("execs", "memfd", features=EXEC) as s:
        stop = s.cont()
        path = bytes.fromhex(stop.fields["exec"]).decode()
        check(path.startswith("/memfd:program"), path)
        equal(s.xfer("exec-file", "%x" % s.pid).decode(), path, "exec-file")


@case
def exec_unknown_to_client():
    """Without exec-events the new program runs, free of breakpoints."""
    for mode in "thread", "busy", "gone":
        with Session("execs", mode) as s:
            s.run_to("main")
            s.point(0, "after")
            end = s.finish()
            equal((end.kind, end.number), ("W", 9), "end")


@case
def halted_while_another_thread_execs():
    for i in range(6):
        with Session("execs", "busy", features=EXEC) as s:
            s.run_to("main")
            s.start()
            time.sleep(0.016 + i * 0.002)
            s.sock.sendall(b"\x03")
            # Who is in execve ends the others, stopped or not.
            stop = s.wait(select=False)
            while stop.kind == "T":
                stop = s.cont()
            equal((stop.kind, stop.number), ("W", 9), "end")


@case
def step_over_exec():
    """The step ends in the new program, or is told of as the exec."""
    with Session("execs", "memfd", features=EXEC) as s:
        s.run_to("before")
        for _ in range(20000):
            stop = s.step()
            if "exec" in stop.fields:
                break
        check("exec" in stop.fields, "no exec")
        s.base = None
        s.at("after", s.run_to("after"))


@case
def deleted_program():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "deleted")
        shutil.copy(inferior("execs"), path)
        with Session(None, "deleted", path=path) as s:
            s.run_to("after")
            check(not os.path.exists(path), "it is still there")
            s.step()
            name = s.xfer("exec-file", "%x" % s.pid).decode()
            check(name in (path, path + " (deleted)"), "exec-file", name)
            end = s.finish()
            equal((end.kind, end.number), ("W", 4), "end")


@case
def static_and_musl_programs():
    for name in forms(("execs-static", "execs-musl", "execs")):
        exec_event("thread", name)


@case
def closed_and_reused_descriptors():
    with Session("execs", "fds") as s:
        s.run_to("after")
        s.point(0, "after", rest=";X3,220027")
        s.point(2, "passes")
        for _ in range(3):
            stop = s.cont()
            check("watch" in stop.fields, stop)
        s.clear(2, "passes")
        s.start()
        time.sleep(0.02)
        equal(s.interrupt().number, 2, "^C")
        check(s.read(s.addr("main"), 4), "memory")
        s.set_var("go", 1)
        end = s.finish()
        equal((end.kind, end.number), ("W", 3), "end")


class Unshared(Program):
    """A program that is number 1 of a pid namespace."""

    def __init__(self, *args):
        if os.geteuid() != 0:
            raise Skip("needs root")
        self.proc = subprocess.Popen(
            ["unshare", "-p", "-f", "--mount-proc", inferior(args[0]),
             *args[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        line = self.line()
        if line != "ready":
            self.proc.wait()
            raise Skip("no pid namespace: " +
                       self.proc.stderr.read().decode().strip())
        kids = "/proc/%d/task/%d/children" % (self.proc.pid, self.proc.pid)
        with open(kids) as f:
            self.pid = int(f.read().split()[0])

    def __exit__(self, *args):
        self.proc.stderr.close()
        super().__exit__(*args)


@case
def other_pid_namespace():
    with Unshared("execs", "loop") as p:
        with Session("execs", attach=p.pid) as s:
            s.run_to("after")
            equal(s.tids(), [p.pid], "threads")
            s.step()
            s.set_var("go", 1)
            end = s.finish()
            equal((end.kind, end.number), ("W", 3), "end")


@case(peer="gdbserver cannot attach to a zombie leader")
def other_pid_namespace_threads():
    with Unshared("threadlife", "leader", "3") as p:
        with Session("threadlife", attach=p.pid) as s:
            until(lambda: task_state(p.pid) == "Z")
            s.run_to("tick")
            inside = {int(t) for t in os.listdir("/proc/%d/task" % p.pid)}
            check(set(s.tids()) <= inside, s.tids(), inside)
            check(len(s.tids()) >= 3, s.tids())


@case
def read_that_ends_in_unmapped_page():
    with Session("execs", "again") as s:
        s.run_to("main")
        with open("/proc/%d/maps" % s.pid) as f:
            spans = [[int(x, 16) for x in line.split()[0].split("-")]
                     for line in f]
        end = next(a[1] for a, b in zip(spans, spans[1:]) if a[1] != b[0])
        equal(len(s.read(end - 8, 8)), 8, "up to the end")
        reply = s.packet("m%x,10" % (end - 8))
        if not OPTIONS.peer:    # which answers with an error
            equal(len(reply), 16, "across the end")
        reply = s.packet("m%x,10" % end)
        check(reply[:1] == "E", "behind the end:", reply)
        check(re.match("E", s.packet("m%x,10" % (2 ** 64 - 8))), "at the top")


if __name__ == "__main__":
    raise SystemExit(main())
