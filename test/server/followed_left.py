#!/usr/bin/env python3
"""What is left in a process that was followed: nothing. And who is not followed,
and is as it was."""
import contextlib
import re
import resource
import subprocess
import sys

from following import (MEMFD, THREADS, State, Watched, begin, followed,
                       native_words)
from rsp import (FALSE, Program, Session, case, check, equal, main, task_state,
                 until)


def let_go(s, p):
    equal(s.packet("D;%x" % p.pid), "OK", "detach")


@contextlib.contextmanager
def running():
    """The program, which ends afterwards, and prints what it does natively."""
    want = native_words()
    with Program("following", str(THREADS)) as p:
        equal(p.line(), "ready")
        yield p
        with Session(attach=p.pid, path=p.path) as s:
            s.set_var("over", 1)
            let_go(s, p)
        equal(p.line(), want, "it prints")
        equal(p.wait(30), 0, "exit status")


@case(peer="it does not translate", seconds=60)
def nothing_is_left():
    """After unfollow, and after detach, all is as it was before."""
    with running() as p:
        before = State(p.pid)
        with Session(attach=p.pid, path=p.path) as s:
            equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
            w = Watched(s)
            w.run_a_while()
            w.run_a_while()
            attached = State(p.pid)
            equal(s.packet("qTrace:follow:-1"), "OK", "follow")
            for _ in range(10):
                w.run_a_while()
            check(MEMFD in State(p.pid).maps, "it was not followed")
            regs = {tid: (s.select(tid), s.all_regs())[1]
                    for tid in s.tids()}
            equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
            attached.compare(State(p.pid))
            for tid, text in regs.items():
                s.select(tid)
                equal(s.all_regs(), text, "registers of %x" % tid)
            equal(s.packet("qTrace:follow:-1"), "OK", "follow")
            w.run_a_while()
            s.set_var("over", 0)
            let_go(s, p)
            s.server.wait(30)
        after = State(p.pid)
        before.compare(after)
        equal(after.blocked, before.blocked, "signals blocked")


@case(peer="it does not translate", seconds=60)
def nothing_is_left_by_a_server_that_ends():
    with running() as p:
        before = State(p.pid)
        with Session(attach=p.pid, path=p.path, options=["--follow"]) as s:
            equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
            s.start()
            check(until(lambda: MEMFD in State(p.pid).maps),
                  "it was not followed")
            s.server.terminate()
            s.server.wait(30)
        before.compare(State(p.pid))


# --- refusals ---------------------------------------------------------------

def refused(s, pid):
    """The process is not followed, and nothing in it has changed."""
    before, regs = State(pid), {t: (s.select(t), s.all_regs())[1]
                                for t in s.tids()}
    answer = s.packet("qTrace:follow:-1")
    if answer == "OK":
        return False
    check(answer.startswith("E."), answer)
    before.compare(State(pid))
    for tid, text in regs.items():
        s.select(tid)
        equal(s.all_regs(), text, "registers of %x" % tid)
    return True


def vm_size(pid):
    text = State.text(pid, "status")
    return int(re.search(r"VmSize:\s+(\d+)", text)[1]) * 1024


@case(peer="it does not translate", seconds=60)
def a_refused_change_of_mode_leaves_it_followed():
    """There is room for translated code, but not for the log's rings too."""
    with running() as p:
        with Session(attach=p.pid, path=p.path) as s:
            equal(s.packet("qTrace:follow:-1"), "OK", "follow")
            room = resource.prlimit(p.pid, resource.RLIMIT_AS)
            resource.prlimit(p.pid, resource.RLIMIT_AS,
                             (vm_size(p.pid) + (2 << 30), room[1]))
            check(s.packet("qTrace:follow:-1;mode=flow").startswith("E."),
                  "refused")
            equal(len(followed(s)[0]), len(s.tids()), "followed still")
            resource.prlimit(p.pid, resource.RLIMIT_AS, room)
            equal(s.packet("qTrace:follow:-1;mode=flow"), "OK", "flow")
            equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
            let_go(s, p)


@case(peer="it does not translate", seconds=60)
def nothing_is_left_by_a_follow_that_fails():
    """For want of address space, a bit later each time; of descriptors."""
    with running() as p:
        with Session(attach=p.pid, path=p.path) as s:
            files = resource.prlimit(p.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(p.pid, resource.RLIMIT_NOFILE, (3, files[1]))
            check(refused(s, p.pid), "followed without a descriptor")
            resource.prlimit(p.pid, resource.RLIMIT_NOFILE, files)
            room = resource.prlimit(p.pid, resource.RLIMIT_AS)
            size, times = vm_size(p.pid), 0
            while True:
                resource.prlimit(p.pid, resource.RLIMIT_AS,
                                 (size + (times << 22), room[1]))
                if not refused(s, p.pid):
                    break
                times += 1
            resource.prlimit(p.pid, resource.RLIMIT_AS, room)
            check(times > 20, "%d refusals" % times)
            equal(s.packet("qTrace:unfollow:-1"), "OK", "unfollow")
            equal(vm_size(p.pid), size, "size")
            let_go(s, p)


# A filter that we have not: BPF_RET with SECCOMP_RET_ALLOW.
FILTERED = """
import ctypes, struct, time
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
prog = ctypes.create_string_buffer(
    struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0   # PR_SET_NO_NEW_PRIVS
assert prctl(22, 2, prog) == 0      # PR_SET_SECCOMP, by a filter
print(flush=True)
time.sleep(60)
"""


@case(peer="it does not translate")
def nothing_is_called_behind_a_filter():
    with subprocess.Popen([sys.executable, "-c", FILTERED],
                          stdout=subprocess.PIPE) as p:
        try:
            p.stdout.readline()
            with Session(attach=p.pid) as s:
                check(refused(s, p.pid), "followed behind a filter")
        finally:
            p.kill()


@case(peer="it does not translate", seconds=60)
def asked_while_a_condition_is_false_all_the_time():
    """The client is listened to between hits that are none of its business."""
    with Session("following", str(THREADS), options=["--follow"]) as s:
        begin(s)
        for name in "add", "turn", "lap":
            s.point(0, name, rest=FALSE)
        for _ in range(20):
            s.start()
            s.quiet(0.02)
            stop = s.interrupt()
            equal(stop.number, 2, stop)


@case(peer="it does not translate")
def attached_while_it_waits_for_a_vfork_child():
    """Nothing can be mapped then: it is followed once the child has gone."""
    with Program("forking", "vfork-long") as p:
        check(until(lambda: task_state(p.pid) == "D"), "no vfork")
        with Session(attach=p.pid, path=p.path, options=["--follow"]) as s:
            check(MEMFD not in State(p.pid).maps, "it is followed already")
            s.point(0, "end")
            s.at("end", s.cont())
            check(MEMFD in State(p.pid).maps, "it is not followed")
            s.clear(0, "end")
            equal(s.finish().number, 0, "status")


if __name__ == "__main__":
    raise SystemExit(main())
