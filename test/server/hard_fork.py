#!/usr/bin/env python3
"""Children, and breakpoints in memory that they copied or share."""
import os
import signal
import subprocess
import sys
import tempfile
import time

from rsp import (FALSE, PATIENCE, Program, Session, case, check, equal, forms,
                 main, ptid, status_field, task_state, until)

EVENTS = ("multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;"
          "exec-events+;vContSupported+;no-resumed+;xmlRegisters=i386")
NO_EVENTS = "gdbserver does not keep a child that a client does not know " \
            "of from our breakpoints"


def ends_well(s, seconds=PATIENCE):
    end = s.finish(seconds)
    equal((end.kind, end.number), ("W", 0), "end")


@case
def fork_children_get_clean_copies():
    with Session("forking", "fork", "20") as s:
        s.run_to("main")
        s.point(0, "meet")
        ends_well(s)


@case
def fork_children_get_clean_copies_after_steps():
    """Slots and regions that were injected before do not bother a child."""
    with Session("forking", "fork", "5") as s:
        s.run_to("main")
        s.point(0, "meet", rest=FALSE)
        s.point(0, "ended_well", rest=FALSE)
        ends_well(s)


@case(peer=NO_EVENTS)
def vfork_child_meets_breakpoint():
    """The client knows of no vfork-events: the child runs through it."""
    for name in forms(("forking", "forking-i386")):
        with Session(name, "vfork", "10") as s:
            s.run_to("main")
            s.point(0, "meet")
            ends_well(s)


def mapped(pid):
    """What the parent has is what its children have that it waits for."""
    with open("/proc/%d/maps" % pid) as f:
        return len(f.readlines())


@case(peer="it has four")
def vfork_children_meet_breakpoint_beyond_the_registers():
    """However many there are: they leave nothing in their parent's memory."""
    with Session("forking", "vfork", "6", features=EVENTS) as s:
        s.run_to("main")
        for i in range(4):
            s.point(1, s.addr("main") + 0x10000000 + i)
        s.point(1, "meet")
        maps = []
        for _ in range(6):
            child = ptid(s.cont().fields["vfork"])
            for _ in range(2):
                stop = s.cont()
                check("hwbreak" in stop.fields, stop)
                equal(stop.tid, child[1], "who has met it")
            maps.append(mapped(s.pid))
            ended = [s.cont(), s.cont()]
            check(any("vforkdone" in e.fields for e in ended), ended)
        equal(maps, [maps[0]] * 6, "its mappings")
        s.packet("Hgp%x.%x" % (s.pid, s.pid))
        s.clear(1, "meet")
        ends_well(s)


@case(peer=NO_EVENTS)
def vfork_child_execs():
    with Session("forking", "vfork-exec") as s:
        s.run_to("main")
        s.point(0, "meet")
        s.point(0, "end")
        s.at("end", s.cont())
        s.clear(0, "end")
        equal(s.var("meets"), 1, "meets")
        ends_well(s)


@case
def vfork_child_known_and_detached():
    """The client knows of vfork-events and lets the child go, as gdb does."""
    with Session("forking", "vfork", "2", features=EVENTS) as s:
        s.run_to("main")
        for _ in range(2):
            stop = s.cont()
            check("vfork" in stop.fields, "no vfork:", stop)
            child = ptid(stop.fields["vfork"])[0]
            equal(s.packet("D;%x" % child), "OK", "D")
            stop = s.cont()
            check("vforkdone" in stop.fields, "no vforkdone:", stop)
        ends_well(s)


@case
def vfork_child_known_and_followed():
    """The client lets the parent go and stays with the child."""
    with Session("forking", "vfork-exec", features=EVENTS) as s:
        s.run_to("main")
        stop = s.cont()
        child = ptid(stop.fields["vfork"])
        equal(s.packet("Hgp%x.%x" % child), "OK", "Hg")
        s.point(0, "meet")
        parent, s.pid = s.pid, child[0]
        equal(s.packet("D;%x" % parent), "OK", "D")
        s.at("meet", s.cont())
        s.clear(0, "meet")
        stop = s.cont()
        check("exec" in stop.fields, "no exec:", stop)
        end = s.finish()
        equal((end.kind, end.number), ("W", 7), "end")


@case(peer=NO_EVENTS)
def vfork_child_runs_while_parent_is_halted():
    """^C while only the child could stop; it is answered before the child is
    done, which goes on unharmed."""
    with Session("forking", "vfork-long", "50000") as s:
        s.run_to("main")
        s.point(0, "meet")
        s.start()
        check(until(lambda: task_state(s.pid) == "D"), "no vfork")
        stop = s.interrupt()
        equal(stop.number, 2, stop)
        equal(task_state(s.pid), "D", "the parent")
        check(until(lambda: s.var("meets") > 1), "the child stands still")
        s.set_var("enough", 1)
        s.clear(0, "meet")
        s.point(0, "end")
        s.at("end", s.cont())
        s.clear(0, "end")
        ends_well(s)


@case(peer=NO_EVENTS)
def breakpoint_set_while_vfork_child_runs():
    with Session("forking", "vfork-long") as s:
        s.run_to("main")
        s.start()
        time.sleep(0.1)
        s.interrupt()
        s.point(0, "meet")
        s.point(0, "end")
        s.at("end", s.cont())
        s.clear(0, "end")
        equal(s.var("meets"), 500, "meets")
        ends_well(s)


@case(peer=NO_EVENTS)
def detach_while_vfork_child_runs():
    """The parent cannot be stopped; it is let go when it can, and lives."""
    with Session("forking", "vfork-long") as s:
        s.run_to("main")
        s.point(0, "meet")
        s.start()
        time.sleep(0.1)
        s.interrupt()
        equal(s.packet("D;%x" % s.pid), "OK", "D")
        check(until(lambda: s.printed() == "well\n"), "it says",
              s.printed())


# The first of many threads forks all the time, and is let run while the others
# are being attached to.
FORKER = """
import os, threading, time
for _ in range(100):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(flush=True)
while True:
    child = os.fork() or os._exit(0)
    os.waitpid(child, 0)
"""


@case(seconds=60)
def attach_while_it_forks():
    p = subprocess.Popen([sys.executable, "-c", FORKER],
                         stdout=subprocess.PIPE)
    try:
        p.stdout.readline()
        for _ in range(40):
            with Session(attach=p.pid):
                pass
        equal(p.poll(), None, "its end")
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


@case(peer=NO_EVENTS)
def attach_while_it_waits_for_a_vfork_child():
    with Program("forking", "vfork-long", "50000") as p:
        check(until(lambda: task_state(p.pid) == "D"), "no vfork")
        with Session("forking", attach=p.pid) as s:
            s.packet("g")
            s.start()
            time.sleep(0.05)
            equal(s.interrupt().number, 2, "^C")
            equal(task_state(s.pid), "D", "the parent")
            s.set_var("enough", 1)
            equal(s.packet("D;%x" % s.pid), "OK", "D")
        equal(p.wait(), 0, "status")


@case(peer=NO_EVENTS)
def detach_of_many_threads_while_a_vfork_child_runs():
    """All of them run on, with nothing of ours in their memory."""
    with Program("forking", "vfork-threads") as p:
        check(until(lambda: task_state(p.pid) == "D"), "no vfork")
        with Session("forking", attach=p.pid) as s:
            s.start()
            time.sleep(0.1)
            s.interrupt()
            equal(s.packet("D;%x" % p.pid), "OK", "D")
        equal(p.line(), "waits")
        for task in os.listdir("/proc/%d/task" % p.pid):
            equal(status_field(int(task), "TracerPid"), "0", "tracer")
        with open("/proc/%d/maps" % p.pid) as f:
            check("memfd:" not in f.read(), "something is left")
        os.kill(p.pid, signal.SIGUSR1)
        equal(p.wait(), 0, "status")


@case
def detach_at_fork_with_slots():
    """What is injected to take the slots out must not disturb the fork that
    the thread is in: the parent would see another result of it."""
    with Session("forking", "fork", "3", features=EVENTS) as s:
        s.run_to("main")
        s.point(0, "many", rest=FALSE)
        stop = s.cont()
        check("fork" in stop.fields, "no fork:", stop)
        child = ptid(stop.fields["fork"])[0]
        equal(s.packet("D;%x" % child), "OK", "D")
        equal(s.packet("D;%x" % s.pid), "OK", "D")
        check(until(lambda: s.printed() == "well\n"), "it says",
              s.printed())


@case(peer=NO_EVENTS)
def clone_vm_child_meets_breakpoint():
    with Session("forking", "clone") as s:
        s.run_to("main")
        s.point(0, "meet", rest=FALSE)
        ends_well(s)


@case(peer=NO_EVENTS)
def breakpoint_in_shared_memory():
    """A child that shares the page, but not the mapping, meets none, and
    the parent keeps its own."""
    with Session("forking", "shared") as s:
        s.run_to("mapped")
        code = s.var("shared_code", 8)
        s.point(0, code)
        s.at(code, s.cont())
        s.clear(0, code)
        ends_well(s)


@case(peer=NO_EVENTS)
def breakpoint_in_shared_memory_cleared_for_all():
    with Session("forking", "shared") as s:
        s.run_to("mapped")
        code = s.var("shared_code", 8)
        s.point(0, code)
        s.cont()
        s.clear(0, code)
        equal(s.read(code, 1)[0], 0xb8, "byte")
        ends_well(s)


@case
def breakpoint_in_shared_file():
    """A shared mapping of a file that was opened for reading cannot be
    written: an error, and neither file nor other process sees a trap."""
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"\xb8\1\0\0\0\xc3" + bytes(4090))
        f.flush()
        with Session("forking", "file", f.name) as s:
            s.run_to("mapped")
            code = s.var("shared_code", 8)
            reply = s.try_point(0, code)
            check(reply[:1] == "E", "inserted:", reply)
            with open(f.name, "rb") as again:
                equal(again.read(1), b"\xb8", "file")
            s.point(1, code)
            s.at(code, s.cont())
            s.clear(1, code)
            ends_well(s)


@case
def fork_children_inherit_no_watchpoint():
    with Session("forking", "watch") as s:
        s.run_to("main")
        s.point(2, "watched", 4)
        stop = s.cont()
        check("watch" in stop.fields, "no watch:", stop)
        equal(s.var("watched"), 6, "watched")
        s.clear(2, "watched", 4)
        ends_well(s)


if __name__ == "__main__":
    raise SystemExit(main())
