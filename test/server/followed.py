#!/usr/bin/env python3
"""A program that runs translated, interrupted at random moments: every thread
has the registers of an original instruction, and a backtrace that comes to
its start. Followed and not followed in turn, at random moments too. And what
is left of it in the process: nothing.

More of it: COUNT=10000 in the environment, and SEED to have one again.
"""
import ctypes
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time


from rsp import (FALSE, Program, Session, case, check, equal, inferior, main,
                 task_state, until)

COUNT = int(os.environ.get("COUNT", "0"))
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
SECONDS = 100 + COUNT
THREADS = 4
MEMFD = "memfd:tracestub"
LIBC = ctypes.CDLL(None, use_errno=True)
SYS_FUTEX, SYS_TGKILL = 202, 234


# --- the program ------------------------------------------------------------

def native_words():
    return subprocess.run([inferior("following"), str(THREADS), "1"],
                          stdout=subprocess.PIPE, check=True, timeout=60
                          ).stdout.decode().splitlines()[-1]


def boundaries(path):
    """Offsets of all instructions of the program, its PLT too, by objdump;
    empty without it."""
    try:
        text = subprocess.run(["objdump", "-d", path],
                              stdout=subprocess.PIPE, check=True, timeout=60
                              ).stdout.decode()
    except FileNotFoundError:
        return set()
    return {int(m[1], 16) for m in re.finditer(r"^ +([0-9a-f]+):\t", text,
                                               re.M)}


class Range:
    def __init__(self, line):
        words = line.split(None, 5)
        lo, hi = words[0].split("-")
        self.lo, self.hi = int(lo, 16), int(hi, 16)
        self.rights = words[1]
        self.name = words[5].strip() if len(words) > 5 else ""


class Maps:
    def __init__(self, pid):
        with open("/proc/%d/maps" % pid) as f:
            self.ranges = [Range(x) for x in f]

    def find(self, addr):
        for r in self.ranges:
            if r.lo <= addr < r.hi:
                return r
        return None


class Watched:
    """A session, and what is to hold at each of its stops."""

    def __init__(self, s):
        self.walks = True
        self.s = s
        self.starts = boundaries(s.path)
        self.text = s.path
        self.random = random.Random(SEED)
        description = s.xfer("features", "target.xml").decode()
        names = re.findall(r'<reg name="(\w+)" bitsize="(\d+)"', description)
        at, self.at = 0, {}
        for name, bits in names:
            self.at[name] = (at, at + int(bits) // 4)
            at += int(bits) // 4
        check("gs_base" in self.at, "no gs_base in", description[:500])

    def registers(self, tid):
        self.s.select(tid)
        text = self.s.all_regs()
        return {name: int.from_bytes(bytes.fromhex(text[lo:hi]), "little")
                for name, (lo, hi) in self.at.items()
                if hi - lo == 16 or name == "eflags"}

    def workers(self):
        """tid -> outermost frame"""
        size = 40
        data = self.s.read(self.s.addr("workers"), size * THREADS)
        words = [int.from_bytes(data[i:i + 8], "little")
                 for i in range(0, len(data), 8)]
        return {words[i + 4]: words[i + 3]
                for i in range(0, len(words), size // 8)}

    def look(self):
        """Every thread, as it stands."""
        maps = Maps(self.s.pid)
        workers = self.workers()
        tids = self.s.tids()
        for tid in tids:
            self.look_at(tid, maps, workers.get(tid))
        check(set(workers) <= set(tids), "threads", tids, "workers", workers)

    def look_at(self, tid, maps, bottom):
        regs = self.registers(tid)
        what = "thread %x: pc %x sp %x" % (tid, regs["rip"], regs["rsp"])
        code = maps.find(regs["rip"])
        check(code and "x" in code.rights and MEMFD not in code.name,
              what, "no code of the program")
        if code.name == self.text and self.starts:
            check(regs["rip"] - self.base() in self.starts, what,
                  "within an instruction")
        stack = maps.find(regs["rsp"])
        check(stack and stack.rights[:2] == "rw" and MEMFD not in stack.name,
              what, "no stack")
        equal(regs["gs_base"], 0, what + " gs_base")
        if bottom and code.name == self.text and self.walks and \
                not self.has_come_elsewhere(regs, maps):
            self.walk(regs, stack, bottom, what)

    def base(self):
        return self.s.addr("main") - self.s.elf.symbols["main"]

    def has_come_elsewhere(self, regs, maps):
        """It is in the handler, which came into code without frames: to the
        kernel's frame leads the stack pointer or, amid it, the frame's."""
        at, size = self.s.addr("on_alarm"), self.s.elf.sizes["on_alarm"]
        within = regs["rip"] - at
        if not 0 <= within < size:
            return False
        frame = {0: regs["rsp"] + 8, 1: regs["rsp"] + 16,
                 size - 1: regs["rsp"] + 8}.get(within, regs["rbp"] + 16)
        rip = int.from_bytes(self.s.read(frame + 40 + 8 * 16, 8), "little")
        code = maps.find(rip)
        return not code or code.name != self.text

    def walk(self, regs, stack, bottom, what):
        """The frame pointers lead to the thread's start."""
        check(stack.lo <= bottom < stack.hi, what, "another stack")
        data = self.s.read(regs["rsp"], bottom + 16 - regs["rsp"])
        frame, frames = regs["rbp"], 0
        while frame != bottom:
            check(regs["rsp"] <= frame < bottom and frame % 8 == 0, what,
                  "frame %d at %x leads nowhere" % (frames, frame))
            at = frame - regs["rsp"]
            back = int.from_bytes(data[at + 8:at + 16], "little")
            self.check_return(back, what)
            frame = int.from_bytes(data[at:at + 8], "little")
            frames += 1
            check(frames < 100, what, "frames without an end")

    def check_return(self, back, what):
        offset = back - self.base()
        if 0 <= offset < 0x100000:
            check(not self.starts or offset in self.starts, what,
                  "returns to %x" % back)

    def run_a_while(self):
        self.s.start()
        time.sleep(self.random.random() * self.random.choice((.0005, .003)))
        stop = self.s.interrupt()
        check(stop.kind == "T", "not stopped:", stop)

    def end(self):
        """By itself, and right."""
        self.s.set_var("over", 1)
        self.s.finish(60)


def begin(s):
    # SIGALRM is the program's own business
    equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
    s.start()
    check(until(lambda: "ready" in s.printed(), 30), "it is not ready")
    s.interrupt()
    return Watched(s)


def count(few):
    return COUNT or few


# --- cases ------------------------------------------------------------------

@case(peer="it does not translate", seconds=SECONDS)
def interrupted_at_random():
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS), options=["--follow"]) as s:
        w = begin(s)
        for _ in range(count(300)):
            w.look()
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def interrupted_in_excluded_code():
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS), options=["--follow"]) as s:
        equal(s.packet("qTrace:exclude:module=*"), "OK", "exclude")
        w = begin(s)
        for i in range(count(100)):
            w.look()
            if i % 10 == 9:
                verb = "include" if i % 20 == 9 else "exclude"
                equal(s.packet("qTrace:%s:module=*" % verb), "OK", verb)
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def followed_and_not_in_turn():
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS)) as s:
        w = begin(s)
        for i in range(2 * count(50)):
            verb = "unfollow" if i % 2 else "follow"
            equal(s.packet("qTrace:%s:-1" % verb), "OK", verb)
            w.look()
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


def followed(s):
    """The threads that are, and those that are not."""
    pairs = re.findall(r"([^.,;]+),(not-)?followed", s.packet("qTrace:threads"))
    return [{int(tid, 16) for tid, no in pairs if no == want}
            for want in ("", "not-")]


@case(peer="it does not translate", seconds=SECONDS)
def threads_followed_one_by_one():
    """Each for itself, at random, and those that are stepped between."""
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS)) as s:
        w = begin(s)
        for _ in range(count(60)):
            yes, no = followed(s)
            equal(yes | no, set(s.tids()), "threads")
            tid = w.random.choice(sorted(yes | no))
            verb = "unfollow" if tid in yes else "follow"
            equal(s.packet("qTrace:%s:%x" % (verb, tid)), "OK", verb)
            now = followed(s)[0]
            equal(now, yes ^ {tid}, "followed after %s %x" % (verb, tid))
            equal(MEMFD in State(s.pid).maps, bool(now), "a cache")
            w.look()
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


def to_the_join(s):
    """The first thread runs to the entry of the call that waits for others."""
    equal(s.packet("QCatchSyscalls:1;%x" % SYS_FUTEX), "OK", "catch")
    stop = s.cont()
    equal((stop.tid, int(stop.fields.get("syscall_entry", "0"), 16)),
          (s.pid, SYS_FUTEX), "entry: %s" % stop)
    equal(s.packet("QCatchSyscalls:0"), "OK", "catch none")


def meet_and_pass(s, place):
    """One of the others stops at a breakpoint; the first is not looked at."""
    s.point(0, place)
    check(s.cont().tid != s.pid, "the first thread has come there")
    s.clear(0, place)


@case(peer="it does not translate", seconds=SECONDS)
def followed_at_the_entry_of_a_call():
    """When it is interrupted in that the kernel takes it back to make it again:
    to the program's own call."""
    want = native_words()
    for one_by_one in 3 * (False, True):
        with Session("following", str(THREADS)) as s:
            w = begin(s)
            if one_by_one:
                equal(s.packet("qTrace:follow:%x" % max(s.tids())), "OK", "one")
            to_the_join(s)
            equal(s.packet("qTrace:follow:-1"), "OK", "follow")
            for _ in range(5):
                meet_and_pass(s, "turn")
            w.run_a_while()
            w.look()
            w.end()
            equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def caught_at_the_entry_of_a_call():
    """The same of a thread that has come there when it was followed."""
    want = native_words()
    with Session("following", str(THREADS), options=["--follow"]) as s:
        w = begin(s)
        for _ in range(10):
            to_the_join(s)
            w.look()
            for _ in range(3):
                meet_and_pass(s, "turn")
            w.look()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def killed_while_single_threads_are_followed():
    want = native_words()
    with Program("following", str(THREADS)) as p:
        equal(p.line(), "ready")
        for i in range(count(6)):
            with Session(attach=p.pid, path=p.path) as s:
                equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
                for tid in s.tids()[i % 2::2]:
                    equal(s.packet("qTrace:follow:%x" % tid), "OK", "follow")
                s.start()
                time.sleep(0.2)
                s.server.kill()
                s.server.wait(30)
            check(until(lambda: all(task[1] == "0" for task in
                                    State(p.pid).tasks.values()), 10),
                  "still traced")
        with Session(attach=p.pid, path=p.path) as s:
            s.set_var("over", 1)
            equal(s.packet("D;%x" % p.pid), "OK", "detach")
        equal(p.line(), want, "it prints")
        equal(p.wait(30), 0, "exit status")


@case(peer="it does not translate", seconds=SECONDS)
def killed_when_it_is_to_be_followed():
    """The end of its first thread is told behind those of the others."""
    for _ in range(10):
        with Program("following", str(THREADS)) as p:
            equal(p.line(), "ready")
            with Session(attach=p.pid, path=p.path) as s:
                os.kill(s.server.pid, signal.SIGSTOP)
                s.send("qTrace:follow:%x" % p.pid)
                os.kill(p.pid, signal.SIGKILL)
                os.kill(s.server.pid, signal.SIGCONT)
                answer = s.receive(10)
                check(answer and answer.startswith(b"E"), answer)


class Signals:
    """Signals for all threads of a process, in a quick succession."""

    def __init__(self, pid, tids):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.send, args=(pid, tids))

    def send(self, pid, tids):
        while not self.over.wait(.0003):
            for tid in tids:
                LIBC.syscall(SYS_TGKILL, pid, tid, signal.SIGALRM)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@case(peer="it does not translate", seconds=SECONDS)
def followed_and_not_with_signals_on_their_way():
    """A signal that a thread was halted with is not taken in the cache."""
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS)) as s:
        w = begin(s)
        s.set_var("linger", 100000)
        w.walks = False     # a handler may have come into libc
        with Signals(s.pid, s.tids()):
            for i in range(2 * count(50)):
                verb = "unfollow" if i % 2 else "follow"
                w.run_a_while()
                equal(s.packet("qTrace:%s:-1" % verb), "OK", verb)
                w.look()
        s.set_var("linger", 0)
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


class State:
    """What a debugger can leave behind in a process."""

    def __init__(self, pid):
        self.maps = self.text(pid, "maps")
        self.fds = sorted(os.listdir("/proc/%d/fd" % pid))
        self.tasks, self.blocked = {}, []
        for tid in os.listdir("/proc/%d/task" % pid):
            status = self.text(pid, "task/%s/status" % tid)
            words = dict(re.findall(r"^(\w+):\t(.*)$", status, re.M))
            self.tasks[tid] = [words[key] for key in (
                "Cpus_allowed", "TracerPid", "SigIgn", "SigCgt")]
            # but for the handler's, which may run
            blocked = int(words["SigBlk"], 16) & ~(1 << 13)
            self.blocked.append((tid, blocked))

    @staticmethod
    def text(pid, name):
        with open("/proc/%d/%s" % (pid, name)) as f:
            return f.read()

    def compare(self, other):
        equal(other.maps, self.maps, "maps")
        equal(other.fds, self.fds, "descriptors")
        equal(other.tasks, self.tasks, "threads")


@case(peer="it does not translate", seconds=60)
def nothing_is_left():
    """After unfollow, and after detach, all is as it was before."""
    want = native_words()
    with Program("following", str(THREADS)) as p:
        equal(p.line(), "ready")
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
            equal(s.packet("D;%x" % p.pid), "OK", "detach")
            s.server.wait(30)
        after = State(p.pid)
        before.compare(after)
        equal(after.blocked, before.blocked, "signals blocked")
        with Session(attach=p.pid, path=p.path) as s:
            s.set_var("over", 1)
            equal(s.packet("D;%x" % p.pid), "OK", "detach")
        equal(p.line(), want, "it prints")
        equal(p.wait(30), 0, "exit status")


@case(peer="it does not translate", seconds=60)
def nothing_is_left_by_a_server_that_ends():
    want = native_words()
    with Program("following", str(THREADS)) as p:
        equal(p.line(), "ready")
        before = State(p.pid)
        with Session(attach=p.pid, path=p.path, options=["--follow"]) as s:
            equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
            s.start()
            check(until(lambda: MEMFD in State(p.pid).maps),
                  "it was not followed")
            s.server.terminate()
            s.server.wait(30)
        before.compare(State(p.pid))
        with Session(attach=p.pid, path=p.path) as s:
            s.set_var("over", 1)
            equal(s.packet("D;%x" % p.pid), "OK", "detach")
        equal(p.line(), want, "it prints")
        equal(p.wait(30), 0, "exit status")


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
    want = native_words()
    with Program("following", str(THREADS)) as p:
        equal(p.line(), "ready")
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
            s.set_var("over", 1)
            equal(s.packet("D;%x" % p.pid), "OK", "detach")
        equal(p.line(), want, "it prints")
        equal(p.wait(30), 0, "exit status")


@case(peer="it does not translate", seconds=60)
def nothing_is_left_by_a_follow_that_fails():
    """For want of address space, a bit later each time; of descriptors."""
    want = native_words()
    with Program("following", str(THREADS)) as p:
        equal(p.line(), "ready")
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
            s.set_var("over", 1)
            equal(s.packet("D;%x" % p.pid), "OK", "detach")
        equal(p.line(), want, "it prints")
        equal(p.wait(30), 0, "exit status")


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
            stop = s.interrupt(30)
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
